import type { FieldError } from '../shared/errors.ts';
import { sentence } from '../shared/schemas/ajv.ts';
import { refuse } from './problem.ts';

export function invalidBody(errors: readonly FieldError[]) {
  return refuse({ code: 'INVALID_PAYLOAD', message: sentence(errors, 'the body'), errors });
}
