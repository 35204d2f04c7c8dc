export const tripStatuses = [
  'PENDING',
  'EN_ROUTE',
  'ARRIVED',
  'IN_PROGRESS',
  'COMPLETED',
  'CANCELLED',
] as const;
export type TripStatus = (typeof tripStatuses)[number];

export const hasEnded = (status: TripStatus | undefined): boolean =>
  status === 'COMPLETED' || status === 'CANCELLED';

/** What `trips/{id}/status`, `riders/{id}/trips` and `drivers/{id}/trips` say (SPEC section 5). */
export type StatusMessage = {
  tripId: string;
  status: TripStatus;
  previous: TripStatus | null;
  version: number;
  driverId: string | null;
};

/** The part of `trips/{id}/location` that is accounted for. */
export type LocationMessage = { tripId: string; driverId: string; recordedAt: number };

export type ErrorReport = { code: string; topic: string; message: string };

type Fields = Readonly<Record<string, unknown>>;

/** undefined: not a JSON object. */
export function fieldsOf(payload: Buffer | string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const statusIn = (value: unknown): TripStatus | undefined => tripStatuses.find((status) => status === value);

/** Of a message, or of a trip as REST shows it without its `previous`; undefined: it is neither. */
export function parseStatus(fields: Fields | undefined): StatusMessage | undefined {
  const status = statusIn(fields?.status);
  if (fields === undefined || status === undefined) return undefined;
  const { tripId, version, driverId } = fields;
  if (typeof tripId !== 'string' || typeof version !== 'number') return undefined;
  if (typeof driverId !== 'string' && driverId !== null) return undefined;
  return { tripId, status, previous: statusIn(fields.previous) ?? null, version, driverId };
}

export function parseLocation(fields: Fields | undefined): LocationMessage | undefined {
  if (fields === undefined) return undefined;
  const { tripId, driverId, recordedAt } = fields;
  if (typeof tripId !== 'string' || typeof driverId !== 'string') return undefined;
  const time = typeof recordedAt === 'string' ? Date.parse(recordedAt) : Number.NaN;
  return Number.isNaN(time) ? undefined : { tripId, driverId, recordedAt: time };
}

/** undefined: it is none. */
export function parsePlace(value: unknown): { latitude: number; longitude: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { latitude, longitude } = value as Fields;
  return typeof latitude === 'number' && typeof longitude === 'number' ? { latitude, longitude } : undefined;
}

export function parseError(fields: Fields | undefined): ErrorReport {
  const text = (value: unknown, otherwise: string) => (typeof value === 'string' ? value : otherwise);
  return {
    code: text(fields?.code, 'UNKNOWN'),
    topic: text(fields?.topic, ''),
    message: text(fields?.message, ''),
  };
}
