import type { Request, Response } from 'express';
import type { Static, TObject, TSchema } from 'typebox';
import type { Identity } from '../../shared/auth/identity.ts';
import type { ErrorCode } from '../../shared/errors.ts';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** One body of an answer, by media type. `schema` undefined: text of another kind. */
export type Content = { mediaType: string; schema?: TSchema; example: unknown };

export type RequestBody<Body extends TSchema> = {
  schema: Body;
  /** Over it: 413. */
  maxBytes: number;
  example: unknown;
  /** Its rules are checked where it is handled, since they are the same there for other ways in. */
  checkedLater?: boolean;
  /** Handed over as text, whatever its Content-Type, and checked where it is handled. */
  asText?: boolean;
  /** Other forms than JSON. */
  forms?: readonly Content[];
  /** May be missing. */
  optional?: boolean;
};

export type ResponseHeader = { name: string; description: string; schema: TSchema };

/** Who may call. `everyone` needs no token; of a `device`, the token may also be the Basic password, or the path's `{token}`. */
export type Access = 'everyone' | 'bearer' | 'device';

/**
 * A route and all that is to be known of it: Express is set up from it, input is validated by it, and the OpenAPI document is made of
 * it. There is no other place for any of this.
 */
export type Route<
  Params extends TObject = TObject,
  Query extends TObject = TObject,
  Body extends TSchema = TSchema,
> = {
  method: Method;
  /** As OpenAPI writes it: `/v1/trips/{tripId}`. */
  path: string;
  operationId: string;
  tag: string;
  summary: string;
  description: string;
  access: Access;
  params?: Params;
  query?: Query;
  /** Request headers beside the usual ones. */
  headers?: TObject;
  body?: RequestBody<Body>;
  success: {
    status: number;
    description: string;
    content?: readonly Content[];
    headers?: readonly ResponseHeader[];
    /** May be 304 instead. */
    notModified?: boolean;
  };
  /** Answers that are neither success nor a problem document. */
  others?: readonly { status: number; description: string; content: readonly Content[] }[];
  /** What it may refuse with, beside what every route of its access may. */
  errors: readonly ErrorCode[];
  /** May this user do it? Runs before the body is read. @throws a refusal */
  authorize?(identity: Identity, params: Static<Params>): void;
  /** Gives the body of the answer, or answers by itself and gives undefined. @throws a refusal */
  handle(call: Call<Params, Query, Body>): Promise<unknown>;
};

export type Call<Params extends TObject, Query extends TObject, Body extends TSchema> = {
  params: Static<Params>;
  query: Static<Query>;
  body: Static<Body>;
  identity: Identity;
  request: Request;
  response: Response;
};

/** Only tells TypeScript what goes into `handle`. */
export function route<
  Params extends TObject = TObject,
  Query extends TObject = TObject,
  Body extends TSchema = TSchema,
>(definition: Route<Params, Query, Body>): Route {
  return definition as unknown as Route;
}
