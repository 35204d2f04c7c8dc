import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TokenMaker } from './fleet.ts';

export const ISSUER = 'https://issuer.test';
export const AUDIENCE = 'fleetcast-test';
export const KEY_ID = 'key-1';

const base64url = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

/** A token whose every part is as given; text stands as it is, anything else as JSON. */
export function compose(header: unknown, claims: unknown, signer: (content: Buffer) => Buffer): string {
  const content = `${base64url(header)}.${base64url(claims)}`;
  return `${content}.${signer(Buffer.from(content)).toString('base64url')}`;
}

export const hmac = (secret: string | Buffer) => (content: Buffer) =>
  createHmac('sha256', secret).update(content).digest();

type Pair = ReturnType<typeof rsaPair>;
const rsaPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
const rs256 =
  ({ privateKey }: Pair) =>
  (content: Buffer) =>
    sign('sha256', content, privateKey);

const jwkOf = ({ publicKey }: Pair) => ({
  ...publicKey.export({ format: 'jwk' }),
  kid: KEY_ID,
  use: 'sig',
  alg: 'RS256',
});

/** What a token of this issuer says; with claims that are undefined left out. */
const claimsOf = (fields: object) =>
  JSON.parse(
    JSON.stringify({
      sub: 'mallory',
      role: 'SERVICE',
      iss: ISSUER,
      aud: AUDIENCE,
      exp: Math.floor(Date.now() / 1000) + 3600,
      ...fields,
    }),
  ) as object;

async function serveKeySet(keys: object[], requests: string[]): Promise<Server> {
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;

/** Somebody who makes tokens with a key of RSA that the platform knows the public half of, and an attacker with a key of his own. */
export async function createIssuer() {
  const own = rsaPair();
  const attacker = rsaPair();
  const requests: string[] = [];
  const trapped: string[] = [];
  const provider = await serveKeySet([jwkOf(own)], requests);
  const trap = await serveKeySet([jwkOf(attacker)], trapped);
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-issuer-'));
  const publicKeyFile = join(folder, 'public.pem');
  const pem = own.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  await writeFile(publicKeyFile, pem);
  const header = { alg: 'RS256', typ: 'JWT', kid: KEY_ID };

  return {
    publicKeyFile,
    jwksUrl: urlOf(provider),
    /** Serves the attacker's keys, if ever it is asked. */
    trapUrl: urlOf(trap),
    /** Paths that the trap was asked for. */
    trapped: trapped as readonly string[],
    publicKey: own.publicKey,
    pem,
    header,
    claims: claimsOf,
    attackersJwk: jwkOf(attacker),
    /** With the right key, whatever it says. */
    signed: (claims: unknown, more: object = {}) => compose({ ...header, ...more }, claims, rs256(own)),
    /** With the attacker's. */
    forged: (claims: unknown, more: object = {}) => compose({ ...header, ...more }, claims, rs256(attacker)),
    makeToken: (async (role, sub, { ttlSeconds = 3600, trips } = {}) => {
      const exp = Math.floor(Date.now() / 1000) + ttlSeconds;
      return compose(header, claimsOf({ sub, role, exp, trips }), rs256(own));
    }) satisfies TokenMaker,
    async close() {
      provider.close();
      trap.close();
      provider.closeAllConnections();
      trap.closeAllConnections();
      await rm(folder, { recursive: true });
    },
  };
}

export type Issuer = Awaited<ReturnType<typeof createIssuer>>;
