import { type TSchema, Type } from 'typebox';
import { idPattern, uuidPattern } from '../ids.ts';
import { LAST_MS } from './time.ts';

export const timeSchema = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' });

export const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

export const idSchema = (description: string) => Type.String({ pattern: idPattern.source, description });

/** An instant as clients give it, from 1970 to 9999; `instantOf` reads it. */
export const instantSchema = (description: string) =>
  Type.Unsafe<string | number>({
    type: ['string', 'integer'],
    format: 'instant',
    minimum: 0,
    maximum: LAST_MS,
    description: `${description}: ISO 8601 with an offset, or epoch milliseconds`,
  });

/** PostgreSQL's text has no place for NUL. */
export const noNul = '^[^\\u0000]*$';

export const tripIdSchema = Type.String({
  pattern: uuidPattern.source,
  description: 'id of a trip, a UUID',
});

export type NamedSchema = TSchema & { title: string };

/** A schema of its own in the documents, by this name. */
export const named = <Schema extends TSchema>(title: string, schema: Schema): Schema & NamedSchema => ({
  ...schema,
  title,
});
