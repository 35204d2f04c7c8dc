import { expect, test } from '@jest/globals';
import { Type } from 'typebox';
import { compile, fieldErrors } from '../../shared/schemas/ajv.ts';
import { idSchema, noNul, orNull } from '../../shared/schemas/common.ts';

const errorsOf = (schema: Parameters<typeof compile>[0], value: unknown) => {
  const validate = compile(schema);
  return validate(value) ? [] : fieldErrors(validate.errors);
};

const fields = { a: Type.Optional(Type.Integer()), 'b/c': Type.Optional(Type.Integer()) };
const one = Type.Object(fields, { oneOf: [{ required: ['a'] }, { required: ['b/c'] }] });
const some = Type.Object(fields, { anyOf: [{ required: ['a'] }, { required: ['b/c'] }] });

test.each([
  ['neither of two', one, {}, ['', 'must have exactly one of a, b/c']],
  ['both of two', one, { a: 1, 'b/c': 1 }, ['', 'must have exactly one of a, b/c']],
  ['none of several', some, {}, ['', 'must have at least one of a, b/c']],
  ['one of a wrong type', some, { 'b/c': 'x' }, ['/b~1c', 'must be integer']],
  ['a missing field', Type.Object({ 'a~b': Type.Null() }), {}, ['/a~0b', 'is required']],
  ['neither null nor a text', orNull(Type.String()), 5, ['', 'must be string']],
  ['neither null nor an id', orNull(idSchema('x')), '', ['', 'must match pattern "^[A-Za-z0-9_-]{1,64}$"']],
  ['NUL', Type.String({ pattern: noNul }), 'a\0', ['', 'must not contain NUL']],
  ['another value', Type.String({ enum: ['x', 'y'] }), 'z', ['', 'must be one of x, y']],
] as const)('%s is told once, by its field', (_name, schema, value, [path, message]) => {
  expect(errorsOf(schema, value)).toEqual([{ path, message }]);
});

test.each([
  [one, { a: 1 }],
  [some, { a: 1, 'b/c': 1 }],
  [orNull(Type.String()), null],
])('what fits has no errors', (schema, value) => {
  expect(errorsOf(schema, value)).toEqual([]);
});
