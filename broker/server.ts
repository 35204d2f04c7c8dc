import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { Admission } from '../shared/admission/index.ts';
import type { Revocations } from '../shared/auth/revocations.ts';
import type { TokenVerifier } from '../shared/auth/verify.ts';
import type { MqttSettings } from '../shared/config.ts';
import type { Control } from '../shared/connections/control.ts';
import type { ConnectionLog } from '../shared/connections/index.ts';
import type { Places } from '../shared/connections/places.ts';
import type { Emitter } from '../shared/emitter/index.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import type { DriverPresence } from '../shared/presence/index.ts';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import type { Traces } from '../shared/telemetry/traces/index.ts';
import type { FollowStates } from '../shared/trips/follow-states.ts';
import type { TransitionDoor } from '../shared/trips/transition-door.ts';
import { createAuthentication } from './authenticate.ts';
import { createCatchUp } from './catch-up.ts';
import { obeyControl } from './control.ts';
import { createDeliverHandler } from './deliver.ts';
import { FleetBroker } from './fleet-broker.ts';
import { letGoInGroups } from './let-go.ts';
import { limits } from './limits.ts';
import { type BrokerPorts, listen } from './listeners.ts';
import { limitPacketSize } from './packet-size.ts';
import { createPublishHandler } from './publish.ts';
import { aboutClient, type SessionClient } from './session.ts';
import { SessionExpiry } from './session-expiry.ts';
import { repairQueues } from './session-queue.ts';
import { createSnapshots, type LocationSnapshot } from './snapshot.ts';
import { createSubscribeHandler, storeOnlyGranted } from './subscribe.ts';
import { takeUpInOrder } from './take-up.ts';
import { watchTrips } from './trip-rights.ts';
import { TripWatch } from './trip-watch.ts';

export type BrokerOptions = {
  host: string;
  settings: MqttSettings;
  verifier: TokenVerifier;
  admission: Admission;
  presence: DriverPresence;
  places: Places;
  connectionLog: ConnectionLog;
  control: Control;
  revocations: Pick<Revocations, 'covers' | 'onAdded'>;
  transitions: TransitionDoor;
  followStates: FollowStates;
  /** Messages may have been lost on their way from other brokers. */
  onGap(listener: () => void): void;
  locationSnapshot: LocationSnapshot;
  publisher: Publisher;
  emitter: Emitter;
  sessionStore: SessionStore;
  metrics: Metrics;
  /** undefined: nothing is traced. */
  traces?: Traces | undefined;
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

/** Longest for the last acknowledgements to leave the process. */
const LAST_WRITES_MS = 100;
const CLOSE_TIMEOUT_MS = 2000;

/** Aedes closes its emitter when it is closed itself. Ours has others to serve, who come to their end later. */
const outliving = (emitter: Emitter): Emitter => ({
  on: emitter.on.bind(emitter),
  removeListener: emitter.removeListener.bind(emitter),
  emit: emitter.emit.bind(emitter),
  close: (done) => done(),
});

export async function startBroker(options: BrokerOptions): Promise<RunningBroker> {
  const { host, settings, emitter, sessionStore, metrics, log } = options;
  const expiry = new SessionExpiry((client) => {
    log.debug(aboutClient(client), 'closed: its token has expired');
    if (client.session !== undefined) client.session.closeReason = 'TOKEN_EXPIRED';
    client.close();
  });
  storeOnlyGranted(sessionStore);
  repairQueues(sessionStore);
  const watch = new TripWatch(options.followStates, (tripId) => catchUp.skipped(tripId));
  const broker = await FleetBroker.start({
    mq: outliving(emitter),
    persistence: sessionStore,
    connectTimeout: limits.connectTimeoutMs,
    drainTimeout: limits.drainTimeoutMs,
    maxInflightInbound: limits.maxInflightQoS2,
    // Checked before the user's name space is put in front
    maxClientsIdLength: Number.MAX_SAFE_INTEGER,
    ...createAuthentication({ ...options, expiry }),
    authorizePublish: createPublishHandler({ ...options, expiry }),
    authorizeSubscribe: createSubscribeHandler(watch, log),
    authorizeForward: createDeliverHandler(watch, metrics),
  });
  obeyControl(broker, options);
  const snapshots = createSnapshots(watch, options.locationSnapshot, log);
  broker.on('subscribe', (subscriptions, client) =>
    snapshots.subscribed(subscriptions, client as SessionClient),
  );
  takeUpInOrder(broker, sessionStore, log);
  const movedOn = watchTrips(broker, emitter, sessionStore, options.control, watch, snapshots.changed, log);
  const everyClient = () => broker.everyClient() as unknown as SessionClient[];
  const catchUp = createCatchUp({ ...options, watch, movedOn, everyClient });
  options.onGap(catchUp.closeGap);
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

  const listeners = await listen(host, settings, (connection, transport, remoteAddress) => {
    const client = broker.handle(connection) as SessionClient;
    client.transport = transport;
    client.connectionId = randomUUID();
    if (remoteAddress !== undefined) client.remoteAddress = remoteAddress;
    limitPacketSize(client);
    // Aedes tells of the end of those alone that it has let in; a session that is taken up follows its trips before that
    connection.once('close', () => {
      for (const tripId of client.session?.trips ?? []) watch.unfollow(client, tripId);
    });
  });
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
      expiry.stop();
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
