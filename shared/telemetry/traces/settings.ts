export type TraceExporter = 'otlp' | 'console';

/** The one protocol whose exporter is on board; OpenTelemetry's default. */
const PROTOCOL = 'http/protobuf';
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
];

const isHttpUrl = (text: string) => /^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : '');

/**
 * Where traces are to be sent, by OpenTelemetry's own variables (the SDK reads the rest of them itself). Nowhere, unless
 * OTEL_TRACES_EXPORTER, or an endpoint, says so.
 */
export function traceExporters(env: NodeJS.ProcessEnv): { exporters: TraceExporter[]; problems: string[] } {
  const read = (name: string) => env[name]?.trim() || undefined;
  const endpoints = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;
  const usual = endpoints.some((name) => read(name) !== undefined) ? 'otlp' : 'none';
  const wanted = (read('OTEL_TRACES_EXPORTER') ?? usual).split(',').map((name) => name.trim());
  if (read('OTEL_SDK_DISABLED')?.toLowerCase() === 'true' || wanted.every((name) => name === 'none'))
    return { exporters: [], problems: [] };
  const exporters = wanted.filter((name): name is TraceExporter => name === 'otlp' || name === 'console');
  const problems =
    exporters.length === wanted.length
      ? []
      : ['OTEL_TRACES_EXPORTER must be otlp, console, both with a comma, or none'];
  if (exporters.includes('otlp')) {
    for (const name of endpoints)
      if (!isHttpUrl(read(name) ?? 'http://localhost'))
        problems.push(`${name} must be an http or https address`);
    const protocol = read('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? read('OTEL_EXPORTER_OTLP_PROTOCOL');
    if (protocol !== undefined && protocol !== PROTOCOL)
      problems.push(`OTEL_EXPORTER_OTLP_PROTOCOL must be ${PROTOCOL}`);
  }
  const sampler = read('OTEL_TRACES_SAMPLER');
  if (sampler !== undefined && !SAMPLERS.includes(sampler))
    problems.push(`OTEL_TRACES_SAMPLER must be one of ${SAMPLERS.join(', ')}`);
  const ratio = read('OTEL_TRACES_SAMPLER_ARG');
  if (sampler?.endsWith('ratio') && !(Number(ratio) >= 0 && Number(ratio) <= 1))
    problems.push('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1');
  return { exporters, problems };
}
