import type { Point } from '../geo.ts';
import type { CircuitState } from '../telemetry/circuits.ts';

/** What is left of the way, in whole seconds and metres. */
export type Eta = { seconds: number; meters: number };

export type EtaRequest = { tripId: string; driverId: string; from: Point; to: Point };

/** `recordedAt` in epoch milliseconds, `speed` in m/s, null when the device does not say. */
export type ObservedPosition = Point & { recordedAt: number; speed: number | null };

/**
 * How long a driver still needs: the port behind which a straight line or a routing engine stands. Both calls are
 * made for every position of a driver on a trip, so both are O(1).
 */
export type EtaEstimator = {
  /** Learns from each new position of a driver on a trip. */
  observe(driverId: string, position: ObservedPosition): void;
  /** At once, from what is known; never waits for a network. */
  estimate(request: EtaRequest): Eta;
  /** The trip is over: nothing is kept about it, nor about how its driver drove. */
  forget(tripId: string, driverId: string): void;
  /** Of the circuit breaker before a routing engine, where there is one. */
  circuit?(): CircuitState;
  stop(): void;
};
