/** The compose file: valid by the Compose Specification's schema, every image pinned, and the same stack as `stack/` starts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { parseCatalog } from '../../src/domain/parse-catalog.ts';
import { searchAttributes } from '../../stack/temporal.ts';
import { temporalRelease } from '../../stack/tools.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (...path: readonly string[]): string => readFileSync(join(root, ...path), 'utf8');

interface Service { readonly image?: string; readonly command?: readonly string[]; readonly configs?: readonly { readonly source: string }[]; readonly depends_on?: Readonly<Record<string, unknown>>; readonly ports?: readonly string[] }
interface Compose { readonly services: Readonly<Record<string, Service>>; readonly configs: Readonly<Record<string, { readonly content: string }>> }
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;

/** The official schema, as the package dclint ships it. Its `$schema` is spelled in a way Ajv does not know. */
const schema = (): object => {
  const { $schema: _, ...rest } = JSON.parse(read('node_modules', 'dclint', 'schemas', 'compose.schema.json')) as Record<string, unknown>;
  return rest;
};
const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema());

const jarVersion = (tool: string, artefact: string): string => {
  const version = new RegExp(`<artifactId>${artefact}</artifactId><version>([^<]+)<`).exec(read('stack', 'tools', tool, 'pom.xml'))?.[1];
  return version ?? assert.fail(`${artefact} is not in the pom of ${tool}`);
};

describe('docker-compose.yml', () => {
  it('is valid by the schema of the Compose Specification', () => {
    assert.ok(validate(compose), JSON.stringify(validate.errors, null, 2));
  });
  it('the schema does find a mistake', () => {
    assert.equal(validate({ ...compose, services: { ...compose.services, kafbat: { imagee: 'x' } } }), false);
    assert.equal(validate({ ...compose, services: { ...compose.services, kafbat: { ports: 8080 } } }), false);
  });
  for (const [name, service] of Object.entries(compose.services)) {
    it(`${name} is pinned to a version`, () => assert.match(service.image ?? '', /^[a-z0-9-]+\/[a-z0-9-]+:v?\d+\.\d+\.\d+$/));
    it(`${name} publishes ports to this machine only`, () => { for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/); });
    it(`${name} names only services and configs that are there`, () => {
      for (const other of Object.keys(service.depends_on ?? {})) assert.ok(compose.services[other], other);
      for (const config of service.configs ?? []) assert.ok(compose.configs[config.source], config.source);
    });
  }
  it('base images of the worker are pinned', () => {
    const images = [...read('deploy', 'Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image ?? '');
    assert.ok(images.length > 0);
    for (const image of images) assert.match(image, /^node:24\.\d+\.\d+-[a-z-]+$/);
  });
});

describe('docker-compose.yml and the stack agree', () => {
  it('on the releases', () => {
    assert.equal(compose.services['kafka-old']?.image, `apache/kafka:${jarVersion('broker-source', 'kafka_2.13')}`);
    assert.equal(compose.services['kafka-new']?.image, `apache/kafka:${jarVersion('broker-target', 'kafka_2.13')}`);
    for (const connect of ['connect-forward', 'connect-back']) assert.equal(compose.services[connect]?.image, `apache/kafka:${jarVersion('connect', 'connect-runtime')}`);
    assert.equal(compose.services['temporal']?.image, `temporalio/temporal:${temporalRelease}`);
    assert.match(read('stack', 'tools', 'temporal', 'go.mod'), new RegExp(`github\\.com/temporalio/cli v${temporalRelease.replaceAll('.', '\\.')}\\b`));
  });
  it('on the search attributes', () => {
    const registered = (compose.services['temporal']?.command ?? []).filter((arg) => arg.startsWith('--search-attribute='));
    assert.deepEqual(registered, searchAttributes.map((name) => `--search-attribute=${name}=Keyword`));
  });
  it('on exactly-once and client overrides of Connect', () => {
    for (const name of ['connect-forward', 'connect-back']) {
      const settings = compose.configs[name]?.content ?? '';
      assert.match(settings, /^exactly\.once\.source\.support=enabled$/m);
      assert.match(settings, /^connector\.client\.config\.override\.policy=All$/m);
    }
  });
  it("and its catalog is one the worker accepts", () => {
    const catalog = parseCatalog(parse(compose.configs['catalog']?.content ?? ''));
    assert.deepEqual(Object.keys(catalog.clusters), ['old', 'new']);
    assert.deepEqual(Object.keys(catalog.connects), ['forward', 'back']);
  });
});
