// Decides IAM requests with @cloud-copilot/iam-simulate: one JSON document in, one out, one process for all of them.
//
// In:  {policies: {<id>: <document>}, requests: [{id, principal, action, resource, account, context,
//       identity, boundary, scp, endpoint: [<policy id>], resource_policy: <policy id> | null, group, expected}]}
// Out: {<request id>: {decision, ignored, by} | {error}}; decision: Allowed, ExplicitlyDenied or ImplicitlyDenied;
//       ignored: context keys that the action does not know, and that were therefore dropped without a word;
//       by: the statements that decided, as `<policy id>#<statement, counted from 0>`.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { getDenialReasons, getGrantReasons, runSimulation } from '@cloud-copilot/iam-simulate'

// The validator belongs to the simulator, wherever npm has put it.
const require = createRequire(createRequire(import.meta.url).resolve('@cloud-copilot/iam-simulate'))
const validators = require('@cloud-copilot/iam-policy')

const input = JSON.parse(readFileSync(0, 'utf8'))
const validated = new Map()
// The simulator drops every key of an encryption context but one of this very name.
const ENCRYPTION_CONTEXT = 'kms:EncryptionContext:'
const KNOWN = `${ENCRYPTION_CONTEXT}\${EncryptionContextKey}`

// The one key of the request's encryption context, as the policies spell it; undefined when it has none. A condition on
// another key stays as it is: the request lacks that key, and that is how the simulator sees it.
function encryptionContext(request) {
  const keys = Object.keys(request.context).filter((key) => key.startsWith(ENCRYPTION_CONTEXT))
  if (keys.length > 1) throw new Error(`${request.id}: has ${keys.join(' and ')}; one at most can be decided`)
  return keys[0]
}

const renamed = (value, key) =>
  key ? JSON.parse(JSON.stringify(value).replaceAll(`${JSON.stringify(key)}:`, `${JSON.stringify(KNOWN)}:`)) : value

// Judging a document's syntax costs more than deciding a request by it: once for each document and use.
function policy(id, use, context) {
  const name = `${use} ${context} ${id}`
  if (!validated.has(name)) {
    const validate = validators[`validate${use}Policy`]
    validated.set(name, validators.createValidatedPolicy(renamed(input.policies[id], context), validate))
  }
  return validated.get(name)
}

async function decide(request) {
  const context = encryptionContext(request)
  const named = (ids, use) => ids.map((id) => ({ name: id, policy: policy(id, use, context) }))
  const answer = await runSimulation(
    {
      request: {
        principal: request.principal,
        action: request.action,
        resource: { resource: request.resource, accountId: request.account },
        contextVariables: renamed(request.context, context),
      },
      identityPolicies: named(request.identity, 'Identity'),
      serviceControlPolicies: request.scp.length
        ? [{ orgIdentifier: 'account', policies: named(request.scp, 'ServiceControl') }]
        : [],
      resourceControlPolicies: [],
      permissionBoundaryPolicies: request.boundary.length ? named(request.boundary, 'Identity') : undefined,
      vpcEndpointPolicies: request.endpoint.length ? named(request.endpoint, 'Endpoint') : undefined,
      resourcePolicy: request.resource_policy ? policy(request.resource_policy, 'Resource', context) : undefined,
    },
    {},
  )
  if (answer.resultType === 'error') return { error: JSON.stringify(answer.errors) }
  const results = answer.resultType === 'single' ? [answer.result] : answer.results
  const reasons = results.flatMap(({ analysis }) => [...getDenialReasons(analysis), ...getGrantReasons(analysis)])
  return {
    decision: answer.overallResult,
    ignored: results.flatMap((result) => result.ignoredContextKeys ?? []),
    by: reasons
      .filter((reason) => reason.statementIndex !== undefined)
      .map((reason) => `${reason.policyIdentifier ?? request.resource_policy}#${reason.statementIndex - 1}`),
  }
}

// A group is done with the first of its requests that is not decided as expected: the others would show nothing new.
const decisions = {}
const done = new Set()
for (const request of input.requests) {
  if (done.has(request.group)) continue
  const decision = (decisions[request.id] = await decide(request))
  if (request.group && (decision.decision === 'Allowed') !== request.expected) done.add(request.group)
}
process.stdout.write(JSON.stringify(decisions))
