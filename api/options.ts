import type { Admission } from '../shared/admission/index.ts';
import type { Revocations } from '../shared/auth/revocations.ts';
import type { TokenSigner } from '../shared/auth/sign.ts';
import type { TokenVerifier } from '../shared/auth/verify.ts';
import type { ApiSettings } from '../shared/config.ts';
import type { Control } from '../shared/connections/control.ts';
import type { ConnectionLog } from '../shared/connections/index.ts';
import type { Locks, Queries } from '../shared/database/index.ts';
import type { Emitter } from '../shared/emitter/index.ts';
import type { Health } from '../shared/health.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import type { DriverPresence } from '../shared/presence/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import type { Traces } from '../shared/telemetry/traces/index.ts';
import type { FollowStates } from '../shared/trips/follow-states.ts';
import type { TripStore } from '../shared/trips/store.ts';
import type { SharedCounts } from './middleware/rate-limit-store.ts';

/** What the api role needs of the others; each is a port. */
export type ApiOptions = {
  settings: ApiSettings;
  verifier: TokenVerifier;
  admission: Admission;
  presence: DriverPresence;
  trips: TripStore;
  signer: TokenSigner;
  queries: Queries;
  locks: Locks;
  control: Control;
  revocations: Pick<Revocations, 'covers' | 'onAdded'>;
  emitter: Emitter;
  publisher: Publisher;
  connectionLog: ConnectionLog;
  followStates: FollowStates;
  /** Whether what was acknowledged of a driver is stored; waits for it. undefined: it always is. */
  untilStored: ((driverId: string) => Promise<boolean>) | undefined;
  /** Messages may have been lost on their way from other processes. */
  onGap(listener: () => void): void;
  locationSnapshot(driverId: string, tripId: string): Buffer | undefined | Promise<Buffer | undefined>;
  /** undefined: this process is the only one that counts requests. */
  sharedCounts: SharedCounts | undefined;
  health: Health;
  metrics: Metrics;
  /** undefined: nothing is traced. */
  traces?: Traces | undefined;
  log: Logger;
};
