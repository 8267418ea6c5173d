// One request a line on standard input, as tests/oracle/cases.py writes it; one answer a line on standard output.

import { createInterface } from 'node:readline'
import { anonymousPrincipal, runSimulation } from '@cloud-copilot/iam-simulate'
import { loadPolicy } from '@cloud-copilot/iam-policy'

// The engine alone, which the package does not export: it takes a fifth of the time, as it leaves out the check that
// AWS would accept the policies. Version and files are pinned.
const engine = './node_modules/@cloud-copilot/iam-simulate/dist/esm'
const { authorize } = await import(`${engine}/core_engine/CoreSimulatorEngine.js`)
const { AwsRequestImpl } = await import(`${engine}/request/request.js`)
const { RequestContextImpl } = await import(`${engine}/requestContext.js`)
const { DiscoveryContextKeyConstraints } = await import(`${engine}/context_keys/discoveryContextKeyConstraints.js`)
const simulationParameters = {
  simulationMode: 'Strict',
  discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([])
}

// RCPFullAWSAccess, which is attached everywhere.
const fullAccess = { Statement: [{ Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' }] }

const levels = (all, of) => all.map((policies, i) => ({ orgIdentifier: `level${i}`, policies: policies.map(of) }))
const named = (policy) => ({ name: 'policy', policy })
const loaded = (policy) => loadPolicy(policy, { name: 'policy' })

function asked(line) {
  const found = JSON.parse(line)
  const contextVariables = Object.fromEntries(
    Object.entries(found.context).map(([key, values]) => [key, found.lists.includes(key) ? values : values[0]])
  )
  const principal = found.kind === 'anonymous' ? anonymousPrincipal : found.principal
  return { ...found, principal, contextVariables, resource: { resource: found.resource, accountId: found.account } }
}

async function checkedAnswer({ principal, action, resource, contextVariables, ...policies }) {
  const found = await runSimulation(
    {
      request: { principal, action, resource, contextVariables },
      identityPolicies: policies.identity.map(named),
      permissionBoundaryPolicies: policies.boundary ? [named(policies.boundary)] : undefined,
      sessionPolicy: policies.session ?? undefined,
      resourcePolicy: policies.resource_policy ?? undefined,
      serviceControlPolicies: levels(policies.scps, named),
      resourceControlPolicies: levels(policies.rcps, named),
      vpcEndpointPolicies: policies.endpoint ? [named(policies.endpoint)] : undefined
    },
    {}
  )
  if (found.resultType === 'error') {
    return { error: JSON.stringify(found.errors) }
  }
  const ignored = found.result.ignoredContextKeys
  return ignored.length ? { error: `no such keys: ${ignored}` } : { outcome: found.overallResult }
}

function answer({ principal, action, resource, contextVariables, ...policies }) {
  const isWithoutResource = resource.resource === '*'
  const context = new RequestContextImpl(contextVariables)
  const request = new AwsRequestImpl(principal, resource, action, context, isWithoutResource)
  const found = authorize({
    request,
    identityPolicies: policies.identity.map(loaded),
    permissionBoundaries: policies.boundary ? [loaded(policies.boundary)] : undefined,
    sessionPolicy: policies.session ? loaded(policies.session) : undefined,
    resourcePolicy: policies.resource_policy ? loaded(policies.resource_policy) : undefined,
    serviceControlPolicies: levels(policies.scps, loaded),
    resourceControlPolicies: levels(policies.rcps.map((level) => [fullAccess, ...level]), loaded),
    vpcEndpointPolicies: policies.endpoint ? [loaded(policies.endpoint)] : undefined,
    simulationParameters
  })
  return { outcome: found.result }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = asked(line)
  const found = request.is_validated ? await checkedAnswer(request) : answer(request)
  process.stdout.write(JSON.stringify(found) + '\n')
}
