import type { Client } from 'aedes';
import type { Identity } from '../shared/auth/identity.ts';
import type { Transport } from '../shared/telemetry/metrics.ts';
import type { AckQueue } from './ack-queue.ts';

/** What the broker knows of a connection whose token was good. */
export type Session = {
  identity: Identity;
  transport: Transport;
  acks: AckQueue;
  /** Trips that this client follows, by any of its filters. */
  trips: Set<string>;
  /** Of those, the ones whose snapshot has not been sent yet: until then nothing of theirs is, so that it comes first. */
  awaiting: Set<string>;
};

/** CONNACK return codes (MQTT 3.1.1, table 3.1). */
export type ConnackCode = 2 | 3 | 4 | 5;

/** Why a CONNECT is refused. `result` is the label in `fleetcast_logins_total`. */
export type LoginRefusal = { returnCode: ConnackCode; result: string; message: string };

/** Aedes' client with what we keep beside it: on the object itself, since it is looked up for every packet. */
export type SessionClient = Client & {
  session?: Session;
  refusal?: LoginRefusal;
  transport?: Transport;
  remoteAddress?: string;
  will: unknown;
  subscriptions: Record<string, { qos: 0 | 1 | 2 }>;
};
