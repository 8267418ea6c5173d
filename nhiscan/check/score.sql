-- Risk score: 100 x S^0.40 x E^0.20 x P^0.25 x R^0.15, a weighted geometric mean of severity, exposure, privilege and
-- partner risk, each 0.1 to 1. It is no CVSS score. An unknown factor counts 0.7, and 0.1 and 1.0 in the bounds.
create or replace temp macro severity_rank(severity) as
    case severity when 'critical' then 5 when 'high' then 4 when 'medium' then 3 when 'low' then 2 else 1 end;
create or replace temp macro severity_factor(severity) as
    cast(
        case severity when 'critical' then 1.0 when 'high' then 0.75 when 'medium' then 0.5 when 'low' then 0.25 else 0.1 end
        as double
    );
create or replace temp macro privilege_factor(level) as
    cast(
        case level when 5 then 1.0 when 4 then 0.85 when 3 then 0.65 when 2 then 0.45 when 1 then 0.25 when 0 then 0.1 end
        as double
    );
create or replace temp macro risk_score(severity, exposure, privilege, risk, floor_at) as
    round(
        greatest(
            floor_at,
            100 * pow(severity_factor(severity), 0.40) * pow(exposure, 0.20) * pow(privilege, 0.25) * pow(risk, 0.15)
        ),
        1
    );
create or replace temp macro score_band(score) as
    case
        when score >= 80 then 'critical'
        when score >= 60 then 'high'
        when score >= 40 then 'medium'
        when score >= 20 then 'low'
        else 'info'
    end;
create or replace temp macro lower_band(band, severity) as
    case when severity_rank(band) > severity_rank(severity) then severity else band end;
create or replace temp macro roll_up(highest, total) as
    round(least(100, highest + 5 * log2(1 + greatest(total - highest, 0) / 100)), 1);
