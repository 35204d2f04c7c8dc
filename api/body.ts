import type { ValidateFunction } from 'ajv';
import type { FieldError } from '../shared/errors.ts';
import { fieldErrors, sentence } from '../shared/schemas/ajv.ts';
import { refuse } from './problem.ts';

export function invalidBody(errors: readonly FieldError[]) {
  return refuse({ code: 'INVALID_PAYLOAD', message: sentence(errors, 'the body'), errors });
}

/** The body as the schema says. @throws a refusal that names every wrong field */
export function readBody<T>(validate: ValidateFunction<T>, body: unknown): T {
  if (validate(body)) return body;
  throw invalidBody(fieldErrors(validate.errors));
}
