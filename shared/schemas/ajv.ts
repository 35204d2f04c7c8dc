import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Static, TSchema } from 'typebox';
import type { FieldError } from '../errors.ts';

/** allErrors: a sender learns of every wrong field at once. Payloads are small and bounded, so it stays cheap. */
const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });

/** Compiles a schema once, at start. */
export function compile<Schema extends TSchema>(schema: Schema): ValidateFunction<Static<Schema>> {
  return ajv.compile<Static<Schema>>(schema);
}

const escapePointer = (token: string) => token.replace(/~/g, '~0').replace(/\//g, '~1');

/** ajv's errors as fields and rules; a missing field is named as the field itself. */
export function fieldErrors(errors: readonly ErrorObject[] | null | undefined): FieldError[] {
  return (errors ?? []).map((error) => {
    if (error.keyword === 'required')
      return {
        path: `${error.instancePath}/${escapePointer(String(error.params.missingProperty))}`,
        message: 'is required',
      };
    if (error.keyword === 'enum')
      return {
        path: error.instancePath,
        message: `must be one of ${(error.params.allowedValues as unknown[]).join(', ')}`,
      };
    return { path: error.instancePath, message: error.message ?? error.keyword };
  });
}

/** One sentence for all wrong fields: `latitude must be <= 90; longitude is required`. */
export function sentence(errors: readonly FieldError[], whole = 'the payload'): string {
  return errors
    .map(({ path, message }) => `${path === '' ? whole : path.slice(1).replace(/\//g, '.')} ${message}`)
    .join('; ');
}
