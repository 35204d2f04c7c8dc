import { type TSchema, Type } from 'typebox';
import { idPattern, uuidPattern } from '../ids.ts';

export const timeSchema = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' });

export const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

export const idSchema = (description: string) => Type.String({ pattern: idPattern.source, description });

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
