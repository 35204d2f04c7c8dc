import type { Revocations } from '../auth/revocations.ts';
import type { TokenVerifier } from '../auth/verify.ts';
import type { Config } from '../config.ts';
import type { Locks, Queries } from '../database/index.ts';
import type { Health } from '../health.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Circuits } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Traces } from '../telemetry/traces/index.ts';

/** What every process has, whatever its role and whether it is alone or one of many. */
export type Base = {
  config: Config;
  log: Logger;
  lifecycle: Lifecycle;
  health: Health;
  metrics: Metrics;
  circuits: Circuits;
  queries: Queries;
  locks: Locks;
  revocations: Revocations;
  verifier: TokenVerifier;
  /** undefined: nothing is traced. */
  traces: Traces | undefined;
};
