import { Type } from 'typebox';
import { compile } from './ajv.ts';
import { named } from './common.ts';

/** What a driver says of itself. ON_TRIP is the server's to set. */
export const reportedStatuses = ['ONLINE', 'BUSY', 'OFFLINE'] as const;
export const driverStatuses = ['ONLINE', 'BUSY', 'ON_TRIP', 'OFFLINE'] as const;

export type ReportedStatus = (typeof reportedStatuses)[number];
export type DriverStatus = (typeof driverStatuses)[number];

export const driverStatusSchema = named(
  'ReportedDriverStatus',
  Type.Object({
    status: Type.Unsafe<ReportedStatus>({ type: 'string', enum: [...reportedStatuses] }),
  }),
);

export const validateDriverStatus = compile(driverStatusSchema);
