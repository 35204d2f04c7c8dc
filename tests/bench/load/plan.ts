import type { Quantiles } from './latencies.ts';

export type Follower = { clientId: string; password: string; filter: string; qos: 0 | 1 };

/** A driver, and who follows it. */
export type Convoy = {
  driver: { clientId: string; password: string; topic: string };
  followers: readonly Follower[];
};

/** One run of the load generator. */
export type Plan = {
  host: string;
  /** Drivers go to these, one after the other. */
  mqttPorts: readonly number[];
  /** Followers go there over WebSocket; empty: over TCP, where drivers go. */
  wsPorts: readonly number[];
  convoys: readonly Convoy[];
  qos: 0 | 1;
  /** Positions a second of all drivers together. */
  rate: number;
  /** Not counted in what is reported of latencies and CPU. */
  warmUpSeconds: number;
  seconds: number;
  /** Longest to wait for what is still on its way when the last one is sent. */
  settleMs: number;
};

export type LoadResult = {
  /** With the warm-up. */
  sentInAll: number;
  /** In the measured seconds, and what came of it. */
  sent: number;
  acknowledged: number;
  delivered: number;
  /** Deliveries that are expected: each position as often as it is followed. */
  expected: number;
  /** What could not be sent at its time, since too much was unacknowledged. */
  skipped: number;
  closed: number;
  /** Epoch ms of the measured span. */
  from: number;
  to: number;
  puback: Quantiles;
  rider: Quantiles;
  /** How late the generator itself was. */
  generatorLag: Quantiles;
};

/** Connections that do nothing but be there: each logs in and subscribes. */
export type Crowd = {
  host: string;
  ports: readonly number[];
  people: readonly { clientId: string; password: string; filter: string }[];
  /** Logins under way at a time. */
  concurrency: number;
};

export type CrowdResult = { connected: number; failed: number; seconds: number; login: Quantiles };

/** What the generator is asked for: a plan at once; a crowd is held until it is told to come back, or to go. */
export type LoadRequest =
  | { ask: 'traffic'; plan: Plan }
  | { ask: 'crowd'; crowd: Crowd }
  | { ask: 'come-back' }
  | { ask: 'go' };

/** What the generator tells on its way. */
export type LoadEvent =
  | { event: 'crowd'; result: CrowdResult }
  | { event: 'connected'; seconds: number }
  | { event: 'measuring' }
  | { event: 'sent-all' }
  | { event: 'done'; result: LoadResult }
  | { event: 'failed'; message: string };
