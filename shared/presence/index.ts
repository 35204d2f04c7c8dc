import type { DriverStatus, ReportedStatus } from '../schemas/driver-status.ts';

/**
 * Port: who is there. A driver is what it says of itself (ONLINE, BUSY, OFFLINE), ON_TRIP from EN_ROUTE to the end of a trip whatever it
 * says, and OFFLINE when its connections are lost. Every change is stored and goes out on the retained
 * `drivers/{driverId}/status`.
 */
export type DriverPresence = {
  /** A status message. Settles when it is stored; gives what the driver counts as now. `at`: epoch ms. */
  report(driverId: string, status: ReportedStatus, at: number): Promise<DriverStatus>;
  /** The last will of a connection that was lost. */
  lastWill(driverId: string, status: ReportedStatus, at: number): Promise<void>;
  /** `will`: the status that the connection leaves when it is lost. Should its whole process be lost, the others see to it. */
  connected(driverId: string, will?: ReportedStatus): void;
  /** The connection with this will has been closed. */
  disconnected(driverId: string, will?: ReportedStatus): void;
  /** A position came, by whatever way. */
  seen(driverId: string, at: number): void;
};
