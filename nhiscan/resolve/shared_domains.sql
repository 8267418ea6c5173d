-- Mail domains that anybody can get an address in: they say nothing about a company.
-- From the providers' own sign-up pages; an address under one of them (name.onmicrosoft.com) is somebody's own and not meant here.
create or replace temp table shared_domains as
select unnest([
    '126.com', '163.com', 'abv.bg', 'aim.com', 'aol.com', 'aon.at', 'arcor.de', 'att.net', 'bellsouth.net', 'bigpond.com', 'bk.ru',
    'bluemail.ch', 'bluewin.ch', 'bol.com.br', 'btinternet.com', 'centrum.cz', 'charter.net', 'chello.at', 'comcast.net', 'cox.net',
    'daum.net', 'duck.com', 'email.cz', 'email.de', 'fastmail.com', 'fastmail.fm', 'foxmail.com', 'free.fr', 'freemail.hu', 'freenet.de',
    'gmail.com', 'gmx.at', 'gmx.ch', 'gmx.com', 'gmx.de', 'gmx.net', 'googlemail.com', 'hanmail.net', 'hetnet.nl', 'hey.com',
    'hotmail.be', 'hotmail.co.uk', 'hotmail.com', 'hotmail.de', 'hotmail.es', 'hotmail.fr', 'hotmail.it', 'hotmail.nl', 'hotmail.se',
    'hushmail.com', 'icloud.com', 'inbox.com', 'inbox.lv', 'inbox.ru', 'interia.pl', 'kpnmail.nl', 'laposte.net', 'libero.it',
    'list.ru', 'live.com', 'live.co.uk', 'live.de', 'live.fr', 'live.nl', 'live.se', 'mac.com', 'mail.com', 'mail.de', 'mail.ru',
    'mailbox.org', 'mailinator.com', 'me.com', 'msn.com', 'naver.com', 'o2.pl', 'onet.pl', 'online.de', 'online.no', 'optonline.net',
    'orange.fr', 'outlook.com', 'outlook.de', 'outlook.es', 'outlook.fr', 'outlook.it', 'planet.nl', 'pm.me', 'posteo.de', 'posteo.net',
    'privaterelay.appleid.com', 'proton.me', 'protonmail.ch', 'protonmail.com', 'qq.com', 'rambler.ru', 'rediffmail.com',
    'rocketmail.com', 'sapo.pt', 'sbcglobal.net', 'seznam.cz', 'sfr.fr', 'shaw.ca', 'sina.com', 'sky.com', 'skynet.be', 'sunrise.ch',
    't-online.de', 'talktalk.net', 'telenet.be', 'telia.com', 'terra.com.br', 'tin.it', 'tiscali.it', 'tuta.io', 'tutanota.com',
    'tutanota.de', 'ukr.net', 'uol.com.br', 'users.noreply.github.com', 'verizon.net', 'virgilio.it', 'wanadoo.fr', 'web.de', 'wp.pl',
    'xs4all.nl', 'xtra.co.nz', 'yahoo.ca', 'yahoo.co.in', 'yahoo.co.jp', 'yahoo.co.uk', 'yahoo.com', 'yahoo.com.br', 'yahoo.de',
    'yahoo.es', 'yahoo.fr', 'yahoo.it', 'yandex.com', 'yandex.ru', 'yeah.net', 'ymail.com', 'ziggo.nl', 'zoho.com', 'zohomail.com'
]) as domain
