import { randomUUID } from 'node:crypto';
import type { AedesOptions, AuthenticateError, ConnectPacket } from 'aedes';
import type { Identity } from '../shared/auth/identity.ts';
import { TokenError } from '../shared/auth/token-error.ts';
import type { MqttSettings } from '../shared/config.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { boundKeepalive } from './keepalive.ts';
import type { Policy } from './policy.ts';
import { aboutClient, endOf, type LoginRefusal, newSession, type SessionClient } from './session.ts';

export type AuthenticateOptions = {
  settings: Pick<MqttSettings, 'limits'>;
  policy: Pick<Policy, 'identify' | 'admit'>;
  metrics: Metrics;
  log: Logger;
};

const IDENTIFIER_REJECTED = 2;
const SERVER_UNAVAILABLE = 3;
const BAD_TOKEN = 4;
const NOT_NOW = 5;

/**
 * CONNECT: the policy says whose it is; the client id gets the user's own name space, so that nobody can take over another
 * user's session. Aedes can answer with a code only in `authenticate`, but the client id has to be rewritten before: the first hook
 * decides and remembers, the second answers.
 */
export function createAuthentication(
  options: AuthenticateOptions,
): Pick<AedesOptions, 'preConnect' | 'authenticate'> {
  const { limits } = options.settings;
  const { policy, metrics, log } = options;

  async function identify(client: SessionClient, packet: ConnectPacket): Promise<void> {
    const refusal = clientIdProblem(packet, limits.maxClientIdLength);
    if (refusal !== undefined) {
      client.refusal = refusal;
      return;
    }
    boundKeepalive(client, packet, limits);
    try {
      const identity = await withTimeout(policy.identify(packet), limits.authenticationTimeoutMs);
      client.session = newSession(identity, client.transport ?? 'TCP', !packet.clean, client.connectionId);
      packet.clientId = `${identity.sub}/${packet.clientId || randomUUID()}`;
    } catch (error) {
      client.refusal = refusalOf(error);
      if (client.refusal.returnCode === SERVER_UNAVAILABLE)
        log.error({ err: error, connectionId: client.connectionId }, 'tokens can not be checked');
    }
  }

  async function open(client: SessionClient): Promise<LoginRefusal | undefined> {
    const { session } = client;
    if (client.refusal !== undefined || session === undefined)
      return client.refusal ?? { returnCode: BAD_TOKEN, result: 'bad_token', message: 'no token' };
    const { identity, transport } = session;
    if (isGone(client)) return gone;
    if (client.visit?.isFlapping(identity.sub)) return flapping;
    const refusal = await policy.admit(client, session);
    if (refusal !== undefined) return refusal;
    const labels = { transport, role: identity.role };
    metrics.connections.inc(labels);
    client.visit?.loggedIn();
    client.conn.once('close', () => {
      metrics.connections.dec(labels);
      const { closeReason } = session;
      if (closeReason === undefined || closeReason === 'TAKEN_OVER')
        client.visit?.dropped(identity.sub, closeReason === 'TAKEN_OVER');
      log.debug({ ...aboutClient(client), transport, reason: endOf(client) }, 'connection closed');
    });
    log.debug(
      { ...aboutClient(client), role: identity.role, transport, remoteAddress: client.remoteAddress },
      'connection opened',
    );
    return undefined;
  }

  return {
    preConnect(client, packet, callback) {
      (client as SessionClient).visit?.saidConnect();
      identify(client as SessionClient, packet).then(
        () => callback(null, true),
        (error: Error) => callback(error, false),
      );
    },

    authenticate(client, _username, _password, callback) {
      open(client as SessionClient).then(
        (refusal) => {
          metrics.logins.count(refusal?.result ?? 'accepted');
          if (refusal === undefined) return callback(null, true);
          if (refusal.returnCode !== SERVER_UNAVAILABLE) (client as SessionClient).visit?.failed();
          log.info(
            { result: refusal.result, reason: refusal.message, ...aboutRefused(client as SessionClient) },
            'login refused',
          );
          callback(
            Object.assign(new Error(refusal.message), {
              returnCode: refusal.returnCode,
            }) as AuthenticateError,
            null,
          );
        },
        (error: Error) => callback(error as AuthenticateError, null),
      );
    },
  };
}

/** Its client id is whatever a stranger sent. */
const aboutRefused = ({ connectionId, session, remoteAddress }: SessionClient) => ({
  connectionId,
  sub: session?.identity.sub,
  remoteAddress,
});

export const isGone = (client: SessionClient) => client.closed || client.conn.destroyed;

const flapping: LoginRefusal = {
  returnCode: NOT_NOW,
  result: 'flapping',
  message: 'connects and drops over and over: not now',
};

/** What it is refused with, nobody hears. */
export const gone: LoginRefusal = {
  returnCode: SERVER_UNAVAILABLE,
  result: 'gone',
  message: 'closed while its login was checked',
};

/** MQTT 3.1, section 3.1: 1 to 23 characters. */
const MAX_CLIENT_ID_LENGTH_31 = 23;

function clientIdProblem(
  { clientId, clean, protocolVersion }: ConnectPacket,
  maxLength: number,
): LoginRefusal | undefined {
  const longest = protocolVersion === 3 ? MAX_CLIENT_ID_LENGTH_31 : maxLength;
  if (clientId.length > longest) return badClientId(`the client id is longer than ${longest} characters`);
  // MQTT 3.1.1, 3.1.3-8: a session that is to be found again needs a name
  if (clientId === '' && !clean) return badClientId('an empty client id needs a clean session');
  return undefined;
}

const badClientId = (message: string): LoginRefusal => ({
  returnCode: IDENTIFIER_REJECTED,
  result: 'bad_client_id',
  message,
});

function refusalOf(error: unknown): LoginRefusal {
  if (error instanceof TokenError && error.reason !== 'unavailable')
    return { returnCode: BAD_TOKEN, result: 'bad_token', message: error.message };
  return {
    returnCode: SERVER_UNAVAILABLE,
    result: 'unavailable',
    message: 'the token can not be checked now',
  };
}

async function withTimeout(identity: Promise<Identity>, timeoutMs: number): Promise<Identity> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TokenError('unavailable', 'checking the token took too long')),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([identity, late]);
  } finally {
    clearTimeout(timer);
  }
}
