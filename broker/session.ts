import { randomUUID } from 'node:crypto';
import type { Client } from 'aedes';
import type { Identity } from '../shared/auth/identity.ts';
import type { CloseReason } from '../shared/connections/index.ts';
import type { LoginResult, Transport } from '../shared/telemetry/metrics.ts';
import { AckQueue } from './ack-queue.ts';
import type { Visit } from './guard/visit.ts';

/** What the broker knows of a connection whose token was good. */
export type Session = {
  /** Of this connection, in connection_sessions. */
  connectionId: string;
  /** Why we end it; undefined: the client, or the network, did. */
  closeReason: CloseReason | undefined;
  identity: Identity;
  transport: Transport;
  acks: AckQueue;
  /** It has sent what could not be kept, and is about to be closed. */
  isHeldOff: boolean;
  /** Filters that this client holds, or is just being granted. */
  filters: Set<string>;
  /** Trips that this client follows, by any of its filters. */
  trips: Set<string>;
  /** Filters of trips whose snapshot has not been sent yet: until then nothing that they match is, so that it comes first. */
  awaiting: Map<string, AwaitedSnapshot>;
  /** The newest version of each trip that this client was sent: what leads up to it may still be on its way, and would be older. */
  shown: Map<string, number>;
  /** Trips of which it is being sent what was lost: what is live comes after it. */
  behind: Set<string>;
  /** Trips of which a position was withheld because it came before the message that lets this client see the driver. */
  missed: Set<string>;
  /** Trips whose driver's place is being looked up: how many times, and the newest location message meanwhile. */
  locating: Map<string, { lookUps: number; newest: Buffer | undefined }>;
  /** recordedAt of a place that was looked up, by trip: what was on its way before it may still come. */
  located: Map<string, string>;
  /** While the queue of a session that was taken up again is being sent: how many messages came meanwhile, to be sent after it. */
  held: number | undefined;
  /** What is to follow then: snapshots are newer than what waited. */
  whenTakenUp: (() => void)[];
};

/** A connection that has just been let in. `isTakenUp`: its session is one that it left, and has first what waited there. */
export function newSession(
  identity: Identity,
  transport: Transport,
  isTakenUp: boolean,
  connectionId: string = randomUUID(),
): Session {
  return {
    connectionId,
    closeReason: undefined,
    identity,
    transport,
    acks: new AckQueue(),
    isHeldOff: false,
    filters: new Set(),
    trips: new Set(),
    awaiting: new Map(),
    shown: new Map(),
    behind: new Set(),
    missed: new Set(),
    locating: new Map(),
    located: new Map(),
    held: isTakenUp ? 0 : undefined,
    whenTakenUp: [],
  };
}

export type AwaitedSnapshot = {
  /** SUBSCRIBEs with this filter that are under way: a client may send several at once. */
  subscribes: number;
  /** The version that the trip had then. What has come since is in the snapshot too. */
  version: number;
};

/** CONNACK return codes (MQTT 3.1.1, table 3.1). */
export type ConnackCode = 2 | 3 | 4 | 5;

/** Why a CONNECT is refused. `result` is the label in `fleetcast_logins_total`. */
export type LoginRefusal = { returnCode: ConnackCode; result: LoginResult; message: string };

/** Aedes' client with what we keep beside it: on the object itself, since it is looked up for every packet. */
export type SessionClient = Client & {
  session?: Session;
  /** From the moment that it is open; in the log and in connection_sessions. */
  connectionId?: string;
  refusal?: LoginRefusal;
  transport?: Transport;
  remoteAddress?: string;
  visit?: Visit;
  will: unknown;
  /** The will of a CONNECT that is not let in yet. */
  _will?: { topic: string; payload: Buffer | string } | null;
  /** It said DISCONNECT. */
  _disconnected: boolean;
  connackSent: boolean;
  subscriptions: Record<string, { qos: 0 | 1 | 2 }>;
  /** The highest counter that it was sent, by sender (brokerId). */
  duplicates: Record<string, number>;
  pause(): void;
  deliver0(packet: object, done: (error?: Error) => void): void;
  deliverQoS(packet: object, done: (error?: Error) => void): void;
};

/** Why its connection has ended. */
export const endOf = ({ session, _disconnected }: SessionClient): CloseReason =>
  session?.closeReason ?? (_disconnected ? 'DISCONNECTED' : 'LOST');

/** What log lines about a connection have in common. */
export const aboutClient = ({ connectionId, session, id }: SessionClient) => ({
  connectionId: session?.connectionId ?? connectionId,
  sub: session?.identity.sub,
  clientId: id,
});
