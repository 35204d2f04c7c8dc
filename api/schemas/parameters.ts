import { Type } from 'typebox';
import { idSchema, tripIdSchema } from '../../shared/schemas/common.ts';

export const driverParams = Type.Object({ driverId: idSchema('whose') });
/** Any text: what can't be a trip is 404, as is one that is not yours. */
export const tripParams = Type.Object({ tripId: Type.String({ description: 'which trip' }) });

export const timeParameter = (description: string) =>
  Type.Optional(
    Type.String({
      format: 'time-or-ms',
      description: `${description}: ISO 8601 with an offset, or epoch milliseconds`,
    }),
  );

export const cursorParameter = Type.Optional(
  Type.String({ maxLength: 300, description: 'nextCursor of the page before' }),
);

export const limitParameter = (maximum: number, defaultLimit: number) =>
  Type.Integer({ minimum: 1, maximum, default: defaultLimit, description: 'items of a page' });

export const tripFilter = Type.Optional(tripIdSchema);

export const trackFormats = ['json', 'geojson', 'gpx', 'csv'] as const;
export const formatParameter = Type.Unsafe<(typeof trackFormats)[number]>({
  type: 'string',
  enum: [...trackFormats],
  default: 'json',
  description: 'json is paged; the others are one document, streamed',
});
