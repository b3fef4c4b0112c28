// A dual-signed payment by the JavaScript client. Says in JSON lines what happens; reads the callback from stdin.
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { Enterprise, Platform } from './yunlian.mjs'

const { issuer, client_id, urn, uscc, redirect_uri, payer_account } = JSON.parse(await readFile('config.json', 'utf8'))
const read = (name) => readFile(name, 'utf8')
const say = (line) => console.log(JSON.stringify(line))
const refusal = async (attempt) => attempt.then(() => 'accepted', (error) => error.code ?? error.message)

const platform = await Platform.connect(issuer, client_id, await read('api.key'), await read('api.pem'))
const enterprise = await Enterprise.load(urn, await read('sign.key'), await read('sign.pem'), await read('encrypt.key'))
const limits = { single_minor: 10_000_00, daily_minor: 100_000_00 }
const asked = await platform.authorize({ uscc, product: 'payments', limits }, redirect_uri)
say({ url: asked.url })
const lines = createInterface({ input: process.stdin })
const [callback] = await new Promise((resolve) => lines.once('line', (line) => resolve([line])))
lines.close()

const { access_token, refresh_token } = await platform.exchange(asked, callback)
const own = await platform.token()
const { body: routing } = await platform.call('/api/v1/routing/resolve', { text: '建行杭州分行营业部' }, own.access_token)
const document = {
  instruction_id: 'JS-0001', amount_minor: 12_345, currency: 'CNY', payer_account, purpose: '货款',
  payee: { name: '宁波海蓝贸易有限公司', account: '1202020209900012345', clearing_code: routing.branch.clearing_code },
}
const path = '/api/v1/payments'
const request = await platform.prepare(path, document, access_token, enterprise)
const paid = await platform.send(request, enterprise)
const { access_token: renewed } = await platform.refresh(refresh_token)
const again = await platform.call(path, document, renewed, enterprise)
const flipped = await platform.prepare(path, document, renewed, enterprise)
// not the last character: its trailing bits are part of the form, and another refusal
flipped.body = flipped.body.slice(0, -9) + (flipped.body.at(-9) === 'A' ? 'B' : 'A') + flipped.body.slice(-8)
say({
  status: paid.status,
  sealed: paid.sealed,
  same: paid.body.bank_reference === again.body.bank_reference,
  replayed: await refusal(platform.send(request, enterprise)),
  changed: await refusal(platform.call(path, { ...document, amount_minor: 1 }, renewed, enterprise)),
  flipped: await refusal(platform.send(flipped, enterprise)),
})
