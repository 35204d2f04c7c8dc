import { type TSchema, Type } from 'typebox';

export const timeSchema = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' });

export const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

/** What `sub` may be (SPEC section 4): it stands in topics and paths. */
export const idSchema = (description: string) =>
  Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description });

/** A UUID as PostgreSQL writes it: topics tell upper from lower case. */
export const tripIdSchema = Type.String({
  pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
  description: 'id of a trip, a UUID',
});

/** A schema of its own in the documents, by this name. */
export const named = <Schema extends TSchema>(title: string, schema: Schema): Schema => ({
  ...schema,
  title,
});
