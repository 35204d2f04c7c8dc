import type { Bench } from './bench.ts';

/** A normative statement of MQTT 3.1.1 (OASIS Standard, 29 October 2014), by its number there. */
export type Statement = {
  /** `3.1.0-1` of [MQTT-3.1.0-1]. */
  id: string;
  /** In few words. */
  says: string;
  /** Why it can't be seen from outside of a server, or concerns clients alone. */
  unseen?: string;
  /** On which brokers the check is done; by default on both. */
  on?: 'platform' | 'relay';
  /** What is done otherwise, by Aedes or by what the platform is. */
  otherwise?: string;
  /** Throws when the statement (or, beside it, what is said to be done otherwise) does not hold. */
  check?: (bench: Bench) => Promise<void>;
};
