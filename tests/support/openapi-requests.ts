import fc from 'fast-check';
import { type Components, fitting, type JsonSchema } from './schema-arbitrary.ts';

type Parameter = { name: string; in: 'path' | 'query' | 'header'; required: boolean; schema: JsonSchema };

type Operation = {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Record<string, { schema: JsonSchema }> };
};

export type OpenApi = { paths: Record<string, Record<string, Operation>>; components: Components };

export type FuzzRequest = {
  operationId: string;
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  /** JSON, or what somebody takes for it. */
  body: string | undefined;
  /** As the document says that it should be. */
  isValid: boolean;
};

/** Values that lead somewhere, by the name of the parameter. */
export type Known = Record<string, readonly string[]>;

/** One that no schema has asked for. */
const nasty = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '0',
    '-1',
    '1e9',
    'NaN',
    'null',
    '[]',
    '\u0000',
    "' or true --",
    '../x',
    '%',
    '\ud83d\ude97',
  ),
  fc.string({ maxLength: 60, unit: 'binary' }),
  fc.constant('x'.repeat(2000)),
);

const anyJson = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(null, [], {}, '', 0, -1, 1e300, 'x'.repeat(5000), { __proto__: null }, [[[[]]]]),
);

const asText = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** Header values of a request are bytes without controls. */
const headerText = (text: string) => text.replace(/[^\x21-\x7e]/g, '.');

/** Requests of every operation: as described, or with one thing wrong with them. */
export function requestsOf(document: OpenApi, known: Known): fc.Arbitrary<FuzzRequest> {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      operationRequests(method.toUpperCase(), path, operation, document.components, known),
    ),
  );
  return fc.oneof(...all);
}

function operationRequests(
  method: string,
  path: string,
  { operationId, parameters = [], requestBody }: Operation,
  components: Components,
  known: Known,
): fc.Arbitrary<FuzzRequest> {
  const bodySchema = requestBody?.content['application/json']?.schema;
  const valid = fc.record({
    values: fc.record(
      Object.fromEntries(
        parameters.map((parameter) => [parameter.name, fittingValue(parameter, components, known)]),
      ),
      {
        requiredKeys: parameters.filter(({ required }) => required).map(({ name }) => name),
        noNullPrototype: true,
      },
    ),
    body: bodySchema === undefined ? fc.constant(undefined) : fitting(bodySchema, components).map(asJson),
  });
  return fc
    .record({ valid, fault: faultOf(parameters, bodySchema !== undefined) })
    .map(({ valid: { values, body }, fault }) => {
      const given =
        fault.parameter === undefined ? values : { ...values, [fault.parameter.name]: fault.parameter.value };
      const within = (place: Parameter['in']) =>
        parameters.filter((parameter) => parameter.in === place && given[parameter.name] !== undefined);
      const query = new URLSearchParams(
        within('query').map(({ name }): [string, string] => [name, asText(given[name])]),
      ).toString();
      const place = path.replace(/\{(\w+)\}/g, (_all, name: string) =>
        encodeURIComponent(asText(given[name]) || '_'),
      );
      return {
        operationId,
        method: fault.method ?? method,
        path: `${place}${query === '' ? '' : `?${query}`}`,
        headers: {
          ...(body === undefined ? {} : { 'content-type': fault.contentType ?? 'application/json' }),
          ...Object.fromEntries(within('header').map(({ name }) => [name, headerText(asText(given[name]))])),
          ...(fault.authorization === undefined ? {} : { authorization: fault.authorization }),
        },
        body: body === undefined ? undefined : (fault.body?.(body) ?? body),
        isValid: fault.isValid,
      };
    });
}

const asJson = (value: unknown) => JSON.stringify(value);

/** A cursor can't be made up: what is valid has none. */
function fittingValue(
  { name, schema }: Parameter,
  components: Components,
  known: Known,
): fc.Arbitrary<unknown> {
  const values = known[name];
  if (values !== undefined && values.length > 0) return fc.constantFrom(...values);
  if (name === 'cursor') return fc.constant(undefined);
  return fitting(schema, components, name);
}

type Fault = {
  isValid: boolean;
  parameter?: { name: string; value: string };
  body?: (text: string) => string;
  contentType?: string;
  authorization?: string;
  method?: string;
};

function faultOf(parameters: readonly Parameter[], hasBody: boolean): fc.Arbitrary<Fault> {
  const none: fc.Arbitrary<Fault> = fc.constant({ isValid: true });
  const faults: fc.Arbitrary<Fault>[] = [
    fc.constantFrom('', 'Bearer', 'Bearer x.y.z', 'Basic eDp5', 'Bearer  ').map((authorization) => ({
      isValid: false,
      authorization,
    })),
    fc.constantFrom('OPTIONS', 'PUT', 'DELETE').map((method) => ({ isValid: false, method })),
  ];
  if (parameters.length > 0)
    faults.push(
      fc
        .record({ name: fc.constantFrom(...parameters.map(({ name }) => name)), value: nasty })
        .map((parameter) => ({ isValid: false, parameter })),
    );
  if (hasBody)
    faults.push(
      fc
        .constantFrom('text/plain', 'application/json; charset=x', 'application/xml')
        .map((contentType) => ({ isValid: false, contentType })),
      anyJson.map((value) => ({ isValid: false, body: () => JSON.stringify(value) })),
      nasty.map((text) => ({ isValid: false, body: () => text })),
      fc
        .record({ cut: fc.double({ min: 0, max: 1, noNaN: true }) })
        .map(({ cut }) => ({ isValid: false, body: (text) => text.slice(0, Math.floor(text.length * cut)) })),
      fc
        .record({ at: fc.nat({ max: 20 }), value: anyJson })
        .map(({ at, value }) => ({ isValid: false, body: (text) => withOneWrong(text, at, value) })),
    );
  return fc.oneof({ arbitrary: none, weight: 2 }, { arbitrary: fc.oneof(...faults), weight: 3 });
}

/** One of the values in it, at any depth, is another. */
function withOneWrong(text: string, at: number, value: unknown): string {
  let left = at;
  const changed: unknown = JSON.parse(text, (key, each: unknown) =>
    key !== '' && left-- === 0 ? value : each,
  );
  return JSON.stringify(changed);
}
