import { randomUUID } from 'node:crypto';
import type { AedesOptions, AuthenticateError, ConnectPacket } from 'aedes';
import type { Identity } from '../shared/auth/identity.ts';
import { TokenError } from '../shared/auth/token-error.ts';
import type { TokenVerifier } from '../shared/auth/verify.ts';
import type { MqttSettings } from '../shared/config.ts';
import type { ConnectionLog } from '../shared/connections/index.ts';
import type { Places, ReleasePlace } from '../shared/connections/places.ts';
import type { DriverPresence } from '../shared/presence/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { boundKeepalive } from './keepalive.ts';
import { type LoginRefusal, newSession, type Session, type SessionClient } from './session.ts';
import type { SessionExpiry } from './session-expiry.ts';
import { statusWill } from './status-will.ts';

export type AuthenticateOptions = {
  settings: Pick<MqttSettings, 'limits'>;
  verifier: TokenVerifier;
  places: Pick<Places, 'take'>;
  expiry: SessionExpiry;
  presence: DriverPresence;
  connectionLog: ConnectionLog;
  metrics: Metrics;
  log: Logger;
};

const IDENTIFIER_REJECTED = 2;
const SERVER_UNAVAILABLE = 3;
const BAD_TOKEN = 4;
const NOT_NOW = 5;

/**
 * CONNECT: the password is a token; the client id gets the user's own name space, so that nobody can take over another
 * user's session. Aedes can answer with a code only in `authenticate`, but the client id has to be rewritten before: the first hook
 * decides and remembers, the second answers.
 */
export function createAuthentication(
  options: AuthenticateOptions,
): Pick<AedesOptions, 'preConnect' | 'authenticate'> {
  const { limits } = options.settings;
  const { verifier, places, expiry, presence, connectionLog, metrics, log } = options;

  async function identify(client: SessionClient, packet: ConnectPacket): Promise<void> {
    const refusal = clientIdProblem(packet, limits.maxClientIdLength);
    if (refusal !== undefined) {
      client.refusal = refusal;
      return;
    }
    boundKeepalive(client, packet, limits);
    try {
      const identity = await withTimeout(
        verifier.verify(packet.password?.toString() ?? ''),
        limits.authenticationTimeoutMs,
      );
      client.session = newSession(identity, client.transport ?? 'TCP', !packet.clean);
      packet.clientId = `${identity.sub}/${packet.clientId || randomUUID()}`;
    } catch (error) {
      client.refusal = refusalOf(error);
      if (client.refusal.returnCode === SERVER_UNAVAILABLE)
        log.error({ err: error }, 'tokens can not be checked');
    }
  }

  /** Only drivers are limited: the others' logins wait for nobody. */
  function takePlace(
    client: SessionClient,
    { identity, connectionId }: Session,
  ): Promise<ReleasePlace | undefined> {
    return places.take({ sub: identity.sub, clientId: client.id, connectionId });
  }

  async function open(client: SessionClient): Promise<LoginRefusal | undefined> {
    const { session } = client;
    if (client.refusal !== undefined || session === undefined)
      return client.refusal ?? { returnCode: BAD_TOKEN, result: 'bad_token', message: 'no token' };
    const { identity, transport } = session;
    if (isGone(client)) return gone;
    if (client.visit?.isFlapping(identity.sub)) return flapping;
    const release = identity.role === 'DRIVER' ? await takePlace(client, session) : noPlace;
    if (release === undefined)
      return {
        returnCode: NOT_NOW,
        result: 'connection_limit',
        message: 'too many connections of this driver',
      };
    // Its end has been told already, or will not be told to us
    if (isGone(client)) {
      release();
      return gone;
    }
    connectionLog.opened({
      id: session.connectionId,
      sub: identity.sub,
      role: identity.role,
      clientId: client.id.slice(identity.sub.length + 1),
      transport,
      remoteAddress: client.remoteAddress,
      openedAt: Date.now(),
    });
    const labels = { transport, role: identity.role };
    metrics.connections.inc(labels);
    client.visit?.loggedIn();
    expiry.watch(client, identity.expiresAt);
    const will = statusWill(client, identity);
    if (identity.role === 'DRIVER') presence.connected(identity.sub, will);
    client.conn.once('close', () => {
      release();
      expiry.forget(client);
      if (identity.role === 'DRIVER') presence.disconnected(identity.sub, will);
      metrics.connections.dec(labels);
      const { closeReason } = session;
      if (closeReason === undefined || closeReason === 'TAKEN_OVER')
        client.visit?.dropped(identity.sub, closeReason === 'TAKEN_OVER');
      const ended = client._disconnected ? 'DISCONNECTED' : 'LOST';
      connectionLog.closed(session.connectionId, Date.now(), closeReason ?? ended);
      log.debug({ sub: identity.sub, clientId: client.id, transport }, 'connection closed');
    });
    log.debug(
      { sub: identity.sub, role: identity.role, clientId: client.id, transport },
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
          metrics.logins.inc({ result: refusal?.result ?? 'accepted' });
          if (refusal === undefined) return callback(null, true);
          const { remoteAddress, session, visit } = client as SessionClient;
          if (refusal.returnCode !== SERVER_UNAVAILABLE) visit?.failed();
          log.info(
            { result: refusal.result, reason: refusal.message, sub: session?.identity.sub, remoteAddress },
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

const noPlace: ReleasePlace = () => undefined;

const isGone = (client: SessionClient) => client.closed || client.conn.destroyed;

const flapping: LoginRefusal = {
  returnCode: NOT_NOW,
  result: 'flapping',
  message: 'connects and drops over and over: not now',
};

const gone: LoginRefusal = {
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
