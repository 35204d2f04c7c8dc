import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { MqttSettings } from '../shared/config.ts';
import type { Emitter } from '../shared/emitter/index.ts';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { createAuthentication } from './authenticate.ts';
import { createDeliverHandler } from './deliver.ts';
import { FleetBroker } from './fleet-broker.ts';
import { Guard } from './guard/guard.ts';
import { deliverAtHighestQos } from './highest-qos.ts';
import { createPublishHandler } from './incoming.ts';
import { letGoInGroups } from './let-go.ts';
import { type BrokerPorts, listen } from './listeners.ts';
import { checkPacketShape } from './packet-shape.ts';
import { limitPacketSize } from './packet-size.ts';
import type { Policy } from './policy.ts';
import { aboutClient, type SessionClient } from './session.ts';
import { repairQueues } from './session-queue.ts';
import { createSubscribeHandler, storeOnlyGranted } from './subscribe.ts';
import { takeUpInOrder } from './take-up.ts';
import { watchClients } from './watch-clients.ts';
import { insistOnWellFormed } from './well-formed.ts';

export type BrokerOptions = {
  host: string;
  settings: MqttSettings;
  /** What it allows. */
  policy: Policy;
  emitter: Emitter;
  sessionStore: SessionStore;
  metrics: Metrics;
  log: Logger;
};

export type RunningBroker = {
  ports: BrokerPorts;
  isListening(): boolean;
  /**
   * Accepts nobody new and reads no more; `drain` is given the time to get what was read acknowledged; then the clients are let go,
   * without their wills, since they will come back.
   */
  stop(drain: () => Promise<void>): Promise<void>;
};

/**
 * Packets of one read that wait for their login. A client need not wait for its CONNACK (MQTT 3.1.1, 3.1.4) and may have a backlog; Aedes
 * closes it beyond 42 that come in one segment with the CONNECT. After that segment no more is read.
 */
const MAX_BEFORE_LOGIN = 1000;

/** Longest for the last acknowledgements to leave the process. */
const LAST_WRITES_MS = 100;
const CLOSE_TIMEOUT_MS = 2000;
/** The longest that a timer takes. */
const NEVER_MS = 2_147_483_647;

/** Aedes closes its emitter when it is closed itself. Ours has others to serve, who come to their end later. */
const outliving = (emitter: Emitter): Emitter => ({
  on: emitter.on.bind(emitter),
  removeListener: emitter.removeListener.bind(emitter),
  emit: emitter.emit.bind(emitter),
  close: (done) => done(),
});

export async function startBroker(options: BrokerOptions): Promise<RunningBroker> {
  const { host, settings, policy, emitter, sessionStore, metrics, log } = options;
  const { limits } = settings;
  storeOnlyGranted(sessionStore);
  repairQueues(sessionStore);
  const broker = await FleetBroker.start({
    mq: outliving(emitter),
    persistence: sessionStore,
    // The guard sees to it, from the first moment of a connection on
    connectTimeout: NEVER_MS,
    drainTimeout: limits.drainTimeoutMs,
    maxInflightInbound: limits.maxInflightIncoming,
    queueLimit: MAX_BEFORE_LOGIN,
    // Checked before the user's name space is put in front
    maxClientsIdLength: Number.MAX_SAFE_INTEGER,
    ...createAuthentication({ settings, policy, metrics, log }),
    authorizePublish: createPublishHandler(policy, sessionStore),
    authorizeSubscribe: createSubscribeHandler(policy, limits, log),
    authorizeForward: createDeliverHandler(policy.deliveries, limits, metrics),
  });
  policy.attach(broker);
  takeUpInOrder(broker, sessionStore, log);
  // Without a listener, it would end the process
  (broker as EventEmitter).on('error', (error) => log.error({ err: error }, 'broker error'));
  broker.on('clientError', (client, error) =>
    log.debug({ ...aboutClient(client as SessionClient), reason: error.message }, 'client error'),
  );
  broker.on('connectionError', (client, error) =>
    log.debug(
      {
        connectionId: (client as SessionClient).connectionId,
        remoteAddress: (client as SessionClient).remoteAddress,
        reason: error.message,
      },
      'connection error',
    ),
  );

  const guard = new Guard({ limits, metrics, log });
  const listeners = await listen(host, settings, guard, (connection, transport, visit) => {
    const client = broker.handle(connection) as SessionClient;
    client.transport = transport;
    client.connectionId = randomUUID();
    client.visit = visit;
    if (visit.address !== undefined) client.remoteAddress = visit.address;
    limitPacketSize(client, limits.maxPacketBytes);
    checkPacketShape(client);
    insistOnWellFormed(client);
    deliverAtHighestQos(client);
    connection.once('close', () => policy.closed(client));
  });
  const everyClient = () => broker.everyClient() as unknown as SessionClient[];
  watchClients(metrics.registry, everyClient);
  let listening = true;
  const letGo = (client: SessionClient) => {
    client.will = null;
    if (client.session !== undefined) client.session.closeReason ??= 'SERVER_STOPPED';
  };

  const pauseAndLetGo = (client: SessionClient & { pause(): void }) => {
    client.pause();
    letGo(client);
  };

  return {
    ports: listeners.ports,
    isListening: () => listening,
    async stop(drain) {
      listening = false;
      listeners.close();
      policy.stop();
      await letGoInGroups(everyClient(), pauseAndLetGo);
      // Before the drain: it closes whoever it can't acknowledge
      everyClient().forEach(pauseAndLetGo);
      await drain();
      await new Promise((resolve) => setTimeout(resolve, LAST_WRITES_MS));
      // Those whose login was under way
      everyClient().forEach(letGo);
      await Promise.race([
        new Promise<void>((resolve) => broker.close(resolve)),
        new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS).unref()),
      ]);
    },
  };
}
