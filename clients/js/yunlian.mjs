// Client of the Yunlian open-banking gateway, written from docs/protocol.md on WebCrypto and jose alone.
// Keys are EC P-256, the protocol's default row: ES256, ecdsa-p256-sha256, ECDH-ES + A256GCM.

import { CompactEncrypt, CompactSign, SignJWT, base64url, compactDecrypt, importJWK, importPKCS8 } from 'jose'

const ECDSA = { name: 'ECDSA', hash: 'SHA-256' }
const WINDOW = 60 // seconds between the bank's clock and ours
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const BOUND = '("@status" "content-type" "content-digest" "signature";req;key="api")'
const text = new TextEncoder()

/** The bank refused, in a problem document that it signed for this request (RFC 9457). */
export class Refused extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.type}: ${problem.detail ?? ''}`)
    this.status = status
    this.problem = problem
    this.code = String(problem.type).replace('urn:yunlian:problem:', '')
  }
}

/** The authorization server refused (RFC 6749 §5.2). */
export class OAuthRefused extends Error {}

/** The answer is not signed by the bank, or not for this request: its content is unknown. */
export class AnswerNotTrusted extends Error {}

/** One product of one enterprise: its signing key with certificate, and its decryption key. */
export class Enterprise {
  static async load(urn, signingKeyPem, certificatePem, decryptionKeyPem) {
    return Object.assign(new Enterprise(), {
      urn,
      x5t: await x5tS256(certificatePem),
      signingKey: await importPKCS8(signingKeyPem, 'ES256'),
      decryptionKey: await importPKCS8(decryptionKeyPem, 'ECDH-ES'),
    })
  }

  /** The body of a request: the document signed by the enterprise and sealed to the bank. */
  async seal(document, { issuer, clientId, url, bankKey }) {
    const now = seconds()
    const content = await new SignJWT({
      client_id: clientId, htm: 'POST', htu: url.split('?')[0], jti: random(), document,
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'yunlian-content+jwt', 'x5t#S256': this.x5t })
      .setIssuer(this.urn).setAudience(issuer).setIssuedAt(now).setExpirationTime(now + 300)
      .sign(this.signingKey)
    return new CompactEncrypt(text.encode(content))
      .setProtectedHeader({ alg: bankKey.alg, enc: 'A256GCM', kid: bankKey.kid, cty: 'JWT' })
      .encrypt(await importJWK(bankKey, bankKey.alg))
  }

  /** What the bank sealed for this enterprise alone. */
  async open(sealed) {
    const { plaintext } = await compactDecrypt(sealed, this.decryptionKey, {
      keyManagementAlgorithms: ['ECDH-ES'], contentEncryptionAlgorithms: ['A256GCM'],
    })
    return JSON.parse(new TextDecoder().decode(plaintext))
  }
}

/** One application with its API certificate, at one issuer. */
export class Platform {
  static async connect(issuer, clientId, apiKeyPem, apiCertificatePem) {
    const metadata = await getJson(`${issuer}/.well-known/oauth-authorization-server`)
    if (metadata.issuer !== issuer) throw new AnswerNotTrusted('the metadata is of another issuer')
    const { keys } = await getJson(metadata.jwks_uri)
    return Object.assign(new Platform(), {
      issuer, clientId, metadata, keys,
      key: await importPKCS8(apiKeyPem, 'ES256'),
      x5t: await x5tS256(apiCertificatePem),
    })
  }

  // --- tokens ---

  /** A token of the platform itself. */
  token(scope = 'routing') {
    return this.#post('token_endpoint', { grant_type: 'client_credentials', scope })
  }

  /** A fresh access token; the refresh token stays the same. */
  refresh(refreshToken) {
    return this.#post('token_endpoint', { grant_type: 'refresh_token', refresh_token: refreshToken })
  }

  /** Push a request for one product_access (RFC 9126, RFC 9396): where to send the legal representative's browser. */
  async authorize(details, redirectUri) {
    const verifier = random(48), state = random()
    const { request_uri } = await this.#post('pushed_authorization_request_endpoint', {
      response_type: 'code', redirect_uri: redirectUri, state,
      code_challenge: base64url.encode(await sha256(text.encode(verifier))), code_challenge_method: 'S256',
      authorization_details: JSON.stringify([{ type: 'product_access', ...details }]),
    })
    const query = new URLSearchParams({ client_id: this.clientId, request_uri })
    return { url: `${this.metadata.authorization_endpoint}?${query}`, state, verifier, redirectUri }
  }

  /** The tokens for the address to which the representative came back. */
  async exchange(asked, callback) {
    const answer = new URL(callback).searchParams
    if (answer.get('state') !== asked.state || answer.get('iss') !== this.issuer) {
      throw new AnswerNotTrusted('state or iss is not that of the request')
    }
    if (answer.has('error')) throw new OAuthRefused(answer.get('error'))
    return this.#post('token_endpoint', {
      grant_type: 'authorization_code', code: answer.get('code') ?? '',
      redirect_uri: asked.redirectUri, code_verifier: asked.verifier,
    })
  }

  // --- protected calls ---

  /** POST a document, sealed by the enterprise where one is given, and verify the answer. */
  async call(path, document, accessToken, enterprise) {
    return this.send(await this.prepare(path, document, accessToken, enterprise), enterprise)
  }

  /** The signed request, not sent yet. */
  async prepare(path, document, accessToken, enterprise) {
    const url = this.issuer + path
    const bankKey = this.keys.find((key) => key.use === 'enc')
    const body = enterprise
      ? await enterprise.seal(document, { issuer: this.issuer, clientId: this.clientId, url, bankKey })
      : JSON.stringify(document)
    const headers = {
      authorization: `Bearer ${accessToken}`,
      'content-type': enterprise ? 'application/jose' : 'application/json',
      'content-digest': await contentDigest(text.encode(body)),
    }
    const values = { '@method': 'POST', '@target-uri': url, ...headers }
    const now = seconds()
    const names = Object.keys(values).map((name) => `"${name}"`).join(' ')
    const parameters = `(${names});created=${now};expires=${now + WINDOW};nonce="${random()}"`
      + `;keyid="${this.x5t}";alg="ecdsa-p256-sha256";tag="yunlian-api"`
    const lines = Object.entries(values).map(([name, value]) => `"${name}": ${value}`)
    const base = [...lines, `"@signature-params": ${parameters}`].join('\n')
    const signature = await crypto.subtle.sign(ECDSA, this.key, text.encode(base))
    headers['signature-input'] = `api=${parameters}`
    headers.signature = `api=:${base64(signature)}:`
    return { url, headers, body }
  }

  /** Send a prepared request. Throws Refused, AnswerNotTrusted. */
  async send(request, enterprise) {
    const { url, headers, body } = request
    const answer = await fetch(url, { method: 'POST', headers, body, redirect: 'error' })
    const octets = new Uint8Array(await answer.arrayBuffer())
    await this.#verify(answer, octets, headers.signature)
    const content = JSON.parse(new TextDecoder().decode(octets))
    if (!answer.ok) throw new Refused(answer.status, content)
    const sealed = enterprise && content.sealed ? await enterprise.open(content.sealed) : undefined
    return { status: answer.status, body: content, sealed }
  }

  async #verify(answer, octets, requestSignature) {
    const input = answer.headers.get('signature-input') ?? ''
    const given = /^bank=:([A-Za-z0-9+/=]+):$/.exec(answer.headers.get('signature') ?? '')
    const stated = /^bank=(\(.*\));created=(\d+);keyid="([^"]+)";tag="yunlian-bank"$/.exec(input)
    const jwk = stated && this.keys.find((key) => key.kid === stated[3] && key.use === 'sig')
    const digest = await contentDigest(octets)
    if (!given || !jwk || stated[1] !== BOUND || answer.headers.get('content-digest') !== digest
      || Math.abs(seconds() - Number(stated[2])) > WINDOW) {
      throw new AnswerNotTrusted('the answer is not signed by the bank for this request')
    }
    const base = [
      `"@status": ${answer.status}`,
      `"content-type": ${answer.headers.get('content-type')}`,
      `"content-digest": ${digest}`,
      `"signature";req;key="api": ${requestSignature.slice('api='.length)}`,
      `"@signature-params": ${input.slice('bank='.length)}`,
    ].join('\n')
    const key = await importJWK(jwk, 'ES256')
    if (!await crypto.subtle.verify(ECDSA, key, octetsOf(given[1]), text.encode(base))) {
      throw new AnswerNotTrusted("the bank's signature does not verify")
    }
  }

  async #post(endpoint, form) {
    const now = seconds()
    const claims = {
      iss: this.clientId, sub: this.clientId, aud: this.issuer, jti: random(), iat: now, exp: now + WINDOW,
    }
    const assertion = await new CompactSign(text.encode(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'ES256', typ: 'client-authentication+jwt', kid: this.x5t })
      .sign(this.key)
    const answer = await fetch(this.metadata[endpoint], {
      method: 'POST',
      redirect: 'error',
      body: new URLSearchParams({
        ...form, client_id: this.clientId, client_assertion_type: ASSERTION, client_assertion: assertion,
      }),
    })
    const content = await answer.json()
    if (!answer.ok) throw new OAuthRefused(`${content.error}: ${content.error_description ?? ''}`)
    return content
  }
}

/** base64url SHA-256 of the first certificate of a PEM text (RFC 7515 §4.1.8). */
export async function x5tS256(pem) {
  const [, der] = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/.exec(pem)
  return base64url.encode(await sha256(octetsOf(der.replace(/\s/g, ''))))
}

async function getJson(url) {
  const answer = await fetch(url, { redirect: 'error' })
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
  return answer.json()
}

const seconds = () => Math.floor(Date.now() / 1000)
const random = (octets = 18) => base64url.encode(crypto.getRandomValues(new Uint8Array(octets)))
const sha256 = async (octets) => new Uint8Array(await crypto.subtle.digest('SHA-256', octets))
const contentDigest = async (octets) => `sha-256=:${base64(await sha256(octets))}:`
const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
const octetsOf = (encoded) => Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))
