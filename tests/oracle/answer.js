// One request a line on standard input, as tests/oracle/requests.py writes it; one answer a line on standard output.

import { createInterface } from 'node:readline'
import { anonymousPrincipal, runSimulation } from '@cloud-copilot/iam-simulate'

const named = (policies, name) => policies.map((policy, i) => ({ name: `${name}${i}`, policy }))
const levels = (all) => all.map((policies, i) => ({ orgIdentifier: `level${i}`, policies: named(policies, `level${i}-`) }))

async function answer(asked) {
  const found = await runSimulation(
    {
      request: {
        principal: asked.kind === 'anonymous' ? anonymousPrincipal : asked.principal,
        action: asked.action,
        resource: { resource: asked.resource, accountId: asked.account },
        contextVariables: Object.fromEntries(
          Object.entries(asked.context).map(([key, values]) => [key, asked.lists.includes(key) ? values : values[0]])
        )
      },
      identityPolicies: named(asked.identity, 'identity'),
      permissionBoundaryPolicies: asked.boundary ? named([asked.boundary], 'boundary') : undefined,
      sessionPolicy: asked.session ?? undefined,
      resourcePolicy: asked.resource_policy ?? undefined,
      serviceControlPolicies: levels(asked.scps),
      resourceControlPolicies: levels(asked.rcps),
      vpcEndpointPolicies: asked.endpoint ? named([asked.endpoint], 'endpoint') : undefined
    },
    {}
  )
  if (found.resultType === 'error') {
    return { error: JSON.stringify(found.errors) }
  }
  return { outcome: found.overallResult, ignored: found.result?.ignoredContextKeys ?? [], kind: found.resultType }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n')
}
