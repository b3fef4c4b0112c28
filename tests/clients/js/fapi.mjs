// openid-client, unmodified, as a FAPI 2.0 client: discovery, private_key_jwt, PAR, PKCE, DPoP, iss, refresh,
// introspection, revocation. Says in JSON lines what happens; reads the callback from stdin.
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'

const { issuer, client_id, kid, uscc, redirect_uri } = JSON.parse(await readFile('config.json', 'utf8'))
const key = await jose.importPKCS8(await readFile('api.key', 'utf8'), 'ES256')
const say = (line) => console.log(JSON.stringify(line))
const refusal = async (attempt) => attempt.then(() => 'accepted', (error) => error.error ?? error.code ?? error.message)

const authentication = client.PrivateKeyJwt({ key, kid })
const config = await client.discovery(new URL(issuer), client_id, undefined, authentication, { algorithm: 'oauth2' })
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const limits = { single_minor: 10_000_00, daily_minor: 100_000_00 }
const url = await client.buildAuthorizationUrlWithPAR(config, {
  redirect_uri,
  scope: 'payments',
  state: expectedState,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  authorization_details: JSON.stringify([{ type: 'product_access', uscc, product: 'payments', limits }]),
}, { DPoP })
say({ url: url.href })
const lines = createInterface({ input: process.stdin })
const [callback] = await new Promise((resolve) => lines.once('line', (line) => resolve([line])))
lines.close()

const mixedUp = new URL(callback)
mixedUp.searchParams.set('iss', 'https://another.example')
const checks = { pkceCodeVerifier, expectedState }
const wrongIssuer = await refusal(client.authorizationCodeGrant(config, mixedUp, checks, undefined, { DPoP }))
const tokens = await client.authorizationCodeGrant(config, new URL(callback), checks, undefined, { DPoP })
const again = await refusal(client.authorizationCodeGrant(config, new URL(callback), checks, undefined, { DPoP }))
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
const seen = await client.tokenIntrospection(config, renewed.access_token)
const validated = await validate(renewed.access_token)
await client.tokenRevocation(config, renewed.access_token)
const afterwards = await client.tokenIntrospection(config, renewed.access_token)
await client.tokenRevocation(config, tokens.refresh_token)
const ended = await refusal(client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }))
const own = await client.clientCredentialsGrant(config, { scope: 'routing' })

/** oauth4webapi in the place of the protected API: the token (RFC 9068) and its DPoP proof (RFC 9449), as sent. */
async function validate(accessToken) {
  let sent
  config[client.customFetch] = async (address, options) => {
    sent = new Request(address, { ...options, duplex: 'half' })
    return new Response('{}')
  }
  const address = new URL(`${issuer}/api/v1/payments`)
  await client.fetchProtectedResource(config, accessToken, address, 'POST', '{}', new Headers(), { DPoP })
  config[client.customFetch] = (...rest) => fetch(...rest)
  const claims = await oauth.validateJwtAccessToken(config.serverMetadata(), sent, `${issuer}/api/v1`)
  return claims.client_id
}

say({
  wrongIssuer, again, ended, validated,
  ownType: own.token_type, type: tokens.token_type, renewedType: renewed.token_type, details: tokens.authorization_details,
  active: seen.active, bound: Object.keys(seen.cnf), afterwards: afterwards.active,
})
