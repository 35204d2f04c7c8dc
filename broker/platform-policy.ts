import type { Admission } from '../shared/admission/index.ts';
import type { Revocations } from '../shared/auth/revocations.ts';
import type { TokenVerifier } from '../shared/auth/verify.ts';
import type { Control } from '../shared/connections/control.ts';
import type { ConnectionLog } from '../shared/connections/index.ts';
import type { Places } from '../shared/connections/places.ts';
import type { Emitter } from '../shared/emitter/index.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import type { DriverPresence } from '../shared/presence/index.ts';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import type { FollowStates } from '../shared/trips/follow-states.ts';
import type { TransitionDoor } from '../shared/trips/transition-door.ts';
import { createCatchUp } from './catch-up.ts';
import { obeyControl } from './control.ts';
import type { FleetBroker } from './fleet-broker.ts';
import { createLetIn } from './let-in.ts';
import type { Policy } from './policy.ts';
import { createAdmittingPublish } from './publish.ts';
import { aboutClient, type SessionClient } from './session.ts';
import { SessionExpiry } from './session-expiry.ts';
import { createSnapshots, type LocationSnapshot } from './snapshot.ts';
import { createTripSubscriptions } from './subscribe.ts';
import type { TopicLimits } from './topic-size.ts';
import { createTripDeliveries } from './trip-deliveries.ts';
import { watchTrips } from './trip-rights.ts';
import { TripWatch } from './trip-watch.ts';

export type PlatformPolicyOptions = {
  settings: { limits: TopicLimits };
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
  log: Logger;
};

/** What the platform allows: by token, and by the table of topics; positions, statuses and transitions are dealt with and not relayed. */
export function createPlatformPolicy(options: PlatformPolicyOptions): Policy {
  const { verifier, emitter, sessionStore, control, log } = options;
  const expiry = new SessionExpiry((client) => {
    log.debug(aboutClient(client), 'closed: its token has expired');
    if (client.session !== undefined) client.session.closeReason = 'TOKEN_EXPIRED';
    client.close();
  });
  let skipped: (tripId: string) => void = () => undefined;
  let renewed: (client: SessionClient) => void = () => undefined;
  const watch = new TripWatch(options.followStates, (tripId) => skipped(tripId));

  function attach(broker: FleetBroker): void {
    obeyControl(broker, options);
    const snapshots = createSnapshots(watch, options.locationSnapshot, log);
    broker.on('subscribe', (subscriptions, client) =>
      snapshots.subscribed(subscriptions, client as SessionClient),
    );
    const rights = watchTrips(broker, emitter, sessionStore, control, watch, snapshots.changed, log);
    const everyClient = () => broker.everyClient() as unknown as SessionClient[];
    const catchUp = createCatchUp({ ...options, watch, movedOn: rights.movedOn, everyClient });
    renewed = rights.renewed;
    skipped = catchUp.skipped;
    options.onGap(catchUp.closeGap);
  }

  return {
    identify: (packet) => verifier.verify(packet.password?.toString() ?? ''),
    admit: createLetIn({ ...options, expiry }),
    relays: false,
    publish: createAdmittingPublish({ ...options, expiry, renewed: (client) => renewed(client) }),
    subscribe: createTripSubscriptions(watch),
    deliveries: createTripDeliveries(watch),
    attach,
    // Aedes tells of the end of those alone that it has let in; a session that is taken up follows its trips before that
    closed(client) {
      for (const tripId of client.session?.trips ?? []) watch.unfollow(client, tripId);
    },
    stop: () => expiry.stop(),
  };
}
