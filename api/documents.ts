import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import express, { type RequestHandler, Router } from 'express';
import { Type } from 'typebox';
import { pagePolicy } from './http/content-policy.ts';
import { type Route, route } from './http/route.ts';
import { onlyReading } from './middleware/methods.ts';

const require = createRequire(import.meta.url);

/** Pages are made of packages' own files, served from here: no page needs an outside host. */
const swaggerUi = dirname(require.resolve('swagger-ui-dist/package.json'));
const redoc = join(dirname(require.resolve('redoc/package.json')), 'bundles', 'redoc.standalone.js');

/** Its maker's logo: the one thing that Redoc asks an outside host for. It leaves an image out that does not load. */
const REDOC_LOGO = 'https://cdn.redoc.ly/redoc/logo-mini.svg';

/** The styles that Redoc's script puts in as text. All others it adds rule by rule, beginning with an empty element. */
const REDOC_STYLES = [
  // nothing
  'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  // of its scroll bars
  'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc=',
];

const STYLE = 'body { margin: 0 }\n';

const page = (title: string, head: string, body: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
${head}<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
${body}
</body>
</html>
`;

const SWAGGER_PAGE = page(
  'Fleetcast API',
  '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">\n',
  '<div id="swagger-ui"></div>\n<script src="/docs/assets/swagger-ui-bundle.js"></script>\n<script src="/docs/start.js"></script>',
);
const SWAGGER_START =
  "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n";

const REDOC_PAGE = page(
  'Fleetcast API reference',
  '',
  '<div id="redoc"></div>\n<script src="/redoc/assets/redoc.standalone.js"></script>\n<script src="/redoc/start.js"></script>',
);
const REDOC_START =
  "Redoc.init('/openapi.json', { disableGoogleFont: true, hideDownloadButton: false }, document.getElementById('redoc'));\n";

type Page = {
  path: string;
  operationId: string;
  summary: string;
  mediaType: string;
  text: () => string;
  policy?: RequestHandler;
};

const nothing = () => undefined;

function pageRoute({ path, operationId, summary, mediaType, text, policy: contentPolicy }: Page): Route {
  return route({
    method: 'get',
    path,
    operationId,
    tag: 'Operation',
    summary,
    description: 'Served without any outside host.',
    access: 'everyone',
    success: {
      status: 200,
      description: summary,
      content: [
        mediaType === 'text/html'
          ? { mediaType, example: '<!doctype html>' }
          : { mediaType, schema: Type.Object({}, { additionalProperties: true }), example: {} },
      ],
    },
    errors: [],
    async handle({ request, response }) {
      contentPolicy?.(request, response, nothing);
      response.type(mediaType).set('Cache-Control', 'public, max-age=300').send(text());
      return undefined;
    },
  });
}

/** The API described by itself: documents for programs, pages for people. */
export function documentRoutes(openApi: () => object, asyncApi: () => object): Route[] {
  return [
    pageRoute({
      path: '/openapi.json',
      operationId: 'getOpenApi',
      summary: 'This document',
      mediaType: 'application/json',
      text: () => JSON.stringify(openApi()),
    }),
    pageRoute({
      path: '/asyncapi.json',
      operationId: 'getAsyncApi',
      summary: 'The MQTT topics, as AsyncAPI 3',
      mediaType: 'application/json',
      text: () => JSON.stringify(asyncApi()),
    }),
    pageRoute({
      path: '/docs',
      operationId: 'getDocs',
      summary: 'Swagger UI',
      mediaType: 'text/html',
      text: () => SWAGGER_PAGE,
      policy: pagePolicy(),
    }),
    pageRoute({
      path: '/redoc',
      operationId: 'getRedoc',
      summary: 'Redoc',
      mediaType: 'text/html',
      text: () => REDOC_PAGE,
      policy: pagePolicy({ styleHashes: REDOC_STYLES, blobWorkers: true }),
    }),
  ];
}

const file =
  (mediaType: string, text: string): RequestHandler =>
  (_request, response) => {
    response.type(mediaType).set('Cache-Control', 'public, max-age=300').send(text);
  };

const assets = (folder: string) => express.static(folder, { index: false, redirect: false, maxAge: '1h' });

/** What the pages are made of. */
export function documentAssets(): Router {
  const router = Router();
  router.all('/docs/page.css', onlyReading, file('text/css', STYLE));
  router.all('/docs/start.js', onlyReading, file('text/javascript', SWAGGER_START));
  router.use('/docs/assets', onlyReading, assets(swaggerUi));
  router.all('/redoc/start.js', onlyReading, file('text/javascript', REDOC_START));
  router.all(
    '/redoc/assets/redoc.standalone.js',
    onlyReading,
    file('text/javascript', readFileSync(redoc, 'utf8').replaceAll(REDOC_LOGO, 'data:,')),
  );
  return router;
}
