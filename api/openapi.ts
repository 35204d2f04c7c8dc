import { STATUS_CODES } from 'node:http';
import type { TSchema } from 'typebox';
import { type ErrorCode, errorCatalogue } from '../shared/errors.ts';
import { problemSchema } from '../shared/schemas/outgoing.ts';
import type { Content, Route } from './http/route.ts';

type Json = Record<string, unknown>;

/** What every route of an access may refuse with. */
const common: Record<Route['access'], readonly ErrorCode[]> = {
  everyone: [],
  bearer: ['UNAUTHORIZED', 'RATE_LIMITED', 'UNAVAILABLE', 'OVERLOADED', 'INTERNAL'],
  device: ['UNAUTHORIZED', 'RATE_LIMITED', 'UNAVAILABLE', 'OVERLOADED', 'INTERNAL'],
};

/** What follows from how a route is described. */
function impliedErrors({ params, query, body, authorize }: Route): ErrorCode[] {
  return [
    ...(params === undefined && query === undefined ? [] : (['INVALID_PARAMETER'] as const)),
    ...(body === undefined
      ? []
      : (['INVALID_PAYLOAD', 'UNSUPPORTED_MEDIA_TYPE', 'PAYLOAD_TOO_LARGE'] as const)),
    ...(authorize === undefined ? [] : (['FORBIDDEN'] as const)),
  ];
}

export const errorsOf = (definition: Route): ErrorCode[] =>
  [...new Set([...definition.errors, ...impliedErrors(definition), ...common[definition.access]])].sort(
    (a, b) => errorCatalogue[a].status - errorCatalogue[b].status || a.localeCompare(b),
  );

/** Named schemas (by title) stand once, under components; everything else where it is used. */
class Components {
  readonly schemas: Json = {};

  refer(schema: TSchema): Json {
    return this.walk(schema) as Json;
  }

  private walk(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.walk(item));
    if (typeof value !== 'object' || value === null) return value;
    const { title } = value as { title?: unknown };
    const copy = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.walk(item)]));
    if (typeof title !== 'string' || !('type' in value)) return copy;
    this.schemas[title] = copy;
    return { $ref: `#/components/schemas/${title}` };
  }
}

const rateLimitHeaders = Object.fromEntries(
  [
    ['RateLimit-Limit', 'requests a minute'],
    ['RateLimit-Remaining', 'requests left in this minute'],
    ['RateLimit-Reset', 'seconds until the next minute'],
  ].map(([name = '', description]) => [name, { description, schema: { type: 'integer' } }]),
);

function contentOf(content: readonly Content[], components: Components): Json {
  return Object.fromEntries(
    content.map(({ mediaType, schema, example }) => [
      mediaType,
      { schema: schema === undefined ? { type: 'string' } : components.refer(schema), example },
    ]),
  );
}

function problemResponse(codes: readonly ErrorCode[], components: Components): Json {
  const [first = 'INTERNAL'] = codes;
  const { status } = errorCatalogue[first];
  const retryAfter = codes.some((code) => code === 'RATE_LIMITED' || errorCatalogue[code].status === 503);
  return {
    description: codes.map((code) => `\`${code}\`: ${errorCatalogue[code].title}`).join('; '),
    headers: {
      ...(retryAfter ? { 'Retry-After': { description: 'seconds', schema: { type: 'integer' } } } : {}),
      ...(status === 401 ? { 'WWW-Authenticate': { schema: { type: 'string' } } } : {}),
    },
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            components.refer(problemSchema),
            {
              type: 'object',
              properties: { code: { type: 'string', enum: [...codes] } },
              required: ['code'],
            },
          ],
        },
        examples: Object.fromEntries(
          codes.map((code) => [
            code,
            {
              value: {
                type: `urn:fleetcast:problem:${code}`,
                title: errorCatalogue[code].title,
                status,
                code,
                detail: errorCatalogue[code].title,
              },
            },
          ]),
        ),
      },
    },
  };
}

function errorResponses(definition: Route, components: Components): Json {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorsOf(definition)) {
    const { status } = errorCatalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [status, problemResponse(codes, components)]),
  );
}

type ObjectSchema = { properties: Record<string, TSchema>; required?: string[] };

function parametersOf({ params, query, headers }: Route, components: Components): Json[] {
  const list = (schema: unknown, place: 'path' | 'query' | 'header') => {
    const { properties, required = [] } = (schema ?? { properties: {} }) as ObjectSchema;
    return Object.entries(properties).map(([name, property]) => {
      const { description, ...rest } = components.refer(property) as { description?: string };
      const hasDefault = 'default' in rest;
      return {
        name,
        in: place,
        required: place === 'path' || (required.includes(name) && !hasDefault),
        ...(description === undefined ? {} : { description }),
        schema: rest,
      };
    });
  };
  return [...list(params, 'path'), ...list(query, 'query'), ...list(headers, 'header')];
}

/** A token in the path is a parameter there, which OpenAPI knows no scheme for. */
function securityOf({ access, params }: Route): Json[] {
  if (access === 'bearer') return [{ token: [] }];
  return access === 'device' && params === undefined ? [{ token: [] }, { password: [] }] : [];
}

function operation(definition: Route, components: Components): Json {
  const { operationId, tag, summary, description, access, body, success, others } = definition;
  const parameters = parametersOf(definition, components);
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    security: securityOf(definition),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.optional,
            content: contentOf(
              [
                { mediaType: 'application/json', schema: body.schema, example: body.example },
                ...(body.forms ?? []),
              ],
              components,
            ),
          },
        }),
    responses: {
      [success.status]: {
        description: success.description,
        headers: {
          ...(access === 'bearer' ? rateLimitHeaders : {}),
          ...Object.fromEntries(
            (success.headers ?? []).map(({ name, ...header }) => [
              name,
              { description: header.description, schema: components.refer(header.schema) },
            ]),
          ),
        },
        ...(success.content === undefined ? {} : { content: contentOf(success.content, components) }),
      },
      ...(success.notModified ? { 304: { description: STATUS_CODES[304] } } : {}),
      ...errorResponses(definition, components),
      ...Object.fromEntries(
        (others ?? []).map(({ status, description: meaning, content }) => [
          status,
          { description: meaning, content: contentOf(content, components) },
        ]),
      ),
    },
  };
}

const tags = [
  { name: 'Drivers', description: 'Where drivers are and have been, and whether they are there' },
  { name: 'Trips', description: 'Booking trips, moving them on, following them' },
  { name: 'Devices', description: 'Ways in for OwnTracks, Traccar Client and OsmAnd' },
  { name: 'Operation', description: 'Connections, revocations, health' },
];

/** The OpenAPI 3.1 document of these routes. Made once, at start. */
export function openApiDocument(routes: readonly Route[], serverUrl: string, version: string): Json {
  const components = new Components();
  const paths: Record<string, Json> = {};
  for (const definition of routes)
    paths[definition.path] = {
      ...paths[definition.path],
      [definition.method]: operation(definition, components),
    };
  const used = new Set(routes.map(({ tag }) => tag));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Fleetcast',
      version,
      summary: 'Real-time fleet telemetry',
      description:
        'REST beside MQTT: the same positions, the same trips, the same permissions. Errors are problem documents (RFC 9457) with a stable `code`. A path that is here answers a method that is not with 405 and `Allow`, and OPTIONS with 204 and the same. Parameters and fields that are not known are ignored.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [
      { url: '/', description: 'where this document came from' },
      { url: serverUrl, description: 'public address' },
    ],
    tags: tags.filter(({ name }) => used.has(name)),
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'with `sub`, `role`, `exp`',
        },
        password: { type: 'http', scheme: 'basic', description: 'the token as the password, any user name' },
      },
    },
  };
}
