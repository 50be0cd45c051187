import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

interface Families {
  counter: Counter;
  gauge: Gauge;
  histogram: Histogram;
}

/**
 * The figures of this process: Prometheus defaults (event-loop lag among them), requests handled and asked,
 * and a service's own.
 */
export class Metrics {
  readonly registry = new Registry();
  /** Requests that this service answered, by subject and outcome (`ok` or the code of the refusal). */
  private readonly handled = this.histogram(
    'muster_request_seconds',
    'Seconds to handle a request, by subject and outcome',
    ['subject', 'outcome'],
  );
  /** Requests that this service made, retries included. */
  private readonly asked = this.histogram('muster_ask_seconds', 'Seconds to get an answer from a service', [
    'subject',
    'outcome',
  ]);
  private readonly flying = this.gauge('muster_requests_in_flight', 'Requests being handled');

  constructor(service: string) {
    this.registry.setDefaultLabels({ service });
    collectDefaultMetrics({ register: this.registry });
  }

  /** A figure that only grows; the same name answers the same figure. */
  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return this.once(
      'counter',
      name,
      () => new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] }),
    );
  }

  /** A figure that goes up and down; `collect` is called before every reading. */
  gauge(
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    collect?: (gauge: Gauge) => void,
  ): Gauge {
    return this.once('gauge', name, () => {
      const settings = { name, help, labelNames: [...labelNames], registers: [this.registry] };
      return new Gauge(
        collect
          ? {
              ...settings,
              collect() {
                collect(this);
              },
            }
          : settings,
      );
    });
  }

  /** A distribution, in seconds unless `buckets` say otherwise. */
  histogram(name: string, help: string, labelNames: readonly string[] = [], buckets = SECONDS): Histogram {
    return this.once(
      'histogram',
      name,
      () =>
        new Histogram({
          name,
          help,
          labelNames: [...labelNames],
          buckets: [...buckets],
          registers: [this.registry],
        }),
    );
  }

  requestHandled(subject: string, outcome: string, seconds: number): void {
    this.handled.observe({ subject, outcome }, seconds);
  }

  requestAsked(subject: string, outcome: string, seconds: number): void {
    this.asked.observe({ subject, outcome }, seconds);
  }

  inFlight(count: number): void {
    this.flying.set(count);
  }

  private once<K extends keyof Families>(_kind: K, name: string, make: () => Families[K]): Families[K] {
    return (this.registry.getSingleMetric(name) as Families[K] | undefined) ?? make();
  }
}
