import type { ReportedStatus } from '../schemas/driver-status.ts';

/**
 * Port: keeps what a driver says of itself; settles when it is durable. `at`: epoch ms.
 * Adapter: ingest's statement, directly on the database.
 */
export type SetDriverStatus = (driverId: string, status: ReportedStatus, at: number) => Promise<void>;
