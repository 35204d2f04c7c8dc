import { describe, expect, test } from '@jest/globals';
import { traceExporters } from '../../shared/telemetry/traces/settings.ts';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

describe('where traces go', () => {
  test.each<[string, NodeJS.ProcessEnv, string[]]>([
    ['nowhere, by default', {}, []],
    ['to an endpoint', endpoint, ['otlp']],
    ['to one of their own', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector/traces' }, ['otlp']],
    ['to the usual endpoint', { OTEL_TRACES_EXPORTER: 'otlp' }, ['otlp']],
    ['to the console', { OTEL_TRACES_EXPORTER: 'console' }, ['console']],
    ['to both', { OTEL_TRACES_EXPORTER: 'console, otlp' }, ['console', 'otlp']],
    ['nowhere, though there is an endpoint', { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, []],
    ['nowhere, when all is off', { ...endpoint, OTEL_SDK_DISABLED: 'true' }, []],
    ['nowhere, with an empty endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, []],
    ['on, when not all is off', { ...endpoint, OTEL_SDK_DISABLED: 'false' }, ['otlp']],
  ])('%s', (_name, env, exporters) => {
    expect(traceExporters(env)).toEqual({ exporters, problems: [] });
  });

  test.each<[NodeJS.ProcessEnv, string]>([
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER'],
    [{ OTEL_TRACES_EXPORTER: 'otlp,zipkin' }, 'OTEL_TRACES_EXPORTER'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    [{ ...endpoint, OTEL_TRACES_SAMPLER: 'some' }, 'OTEL_TRACES_SAMPLER'],
    [{ ...endpoint, OTEL_TRACES_SAMPLER: 'traceidratio' }, 'OTEL_TRACES_SAMPLER_ARG'],
    [
      { ...endpoint, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' },
      'OTEL_TRACES_SAMPLER_ARG',
    ],
  ])('%j is told of by its name', (env, name) => {
    const { problems } = traceExporters(env);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} must be`));
  });
});
