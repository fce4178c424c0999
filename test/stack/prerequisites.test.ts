/** What is missing on the machine is said in one line each, with what to install. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MissingPrerequisites, checkPrerequisites, isTemporalNewEnough, temporalOnPath } from '../../stack/prerequisites.ts';
import type { Ask } from '../../stack/prerequisites.ts';

/** A machine where these programs print this. */
const machine = (programs: Readonly<Record<string, string>>): Ask => (command) => Promise.resolve(programs[command.split('/').at(-1) ?? ''] ?? null);
const good = {
  java: 'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', mvn: 'Apache Maven 3.8.7\nMaven home: somewhere', go: 'go version go1.26.8 linux/amd64',
};
const missing = async (programs: Readonly<Record<string, string>>): Promise<readonly string[]> => {
  try {
    await checkPrerequisites(['java', 'mvn', 'go'], machine(programs));
    return [];
  } catch (error) {
    assert.ok(error instanceof MissingPrerequisites);
    return error.message.split('\n');
  }
};

describe('prerequisites', () => {
  it('all there: nothing is said', async () => assert.deepEqual(await missing(good), []));
  it('newer ones are fine', async () => {
    assert.deepEqual(await missing({ java: 'openjdk version "25" 2025-09-16', mvn: '\u001b[1mApache Maven 4.0.0\u001b[m', go: 'go version go2.0 darwin/arm64' }), []);
  });
  it('none there: one line each, naming what to install', async () => {
    const lines = await missing({});
    assert.equal(lines.length, 3);
    assert.match(lines[0] ?? '', /^Java 17 or newer is needed and "(.*\/)?java" was not found\. .*apt install openjdk-17/);
    assert.match(lines[1] ?? '', /^Maven 3\.6 or newer is needed .*apt install maven/);
    assert.match(lines[2] ?? '', /^Go 1\.21 or newer is needed .*go\.dev/);
  });
  const tooOld: readonly [string, Record<string, string>, RegExp][] = [
    ['Java 8 by its old numbering', { ...good, java: 'java version "1.8.0_392"' }, /is 8\.0\. It runs Kafka/],
    ['Java 11', { ...good, java: 'openjdk version "11.0.2" 2019-01-15' }, /is 11\.0\./],
    ['Maven 3.0', { ...good, mvn: 'Apache Maven 3.0.5' }, /is 3\.0\./],
    ['Go 1.19', { ...good, go: 'go version go1.19.8 linux/amd64' }, /is 1\.19\./],
    ['a java that only fails', { ...good, java: 'The operation could not be completed. Unable to locate a Java Runtime.' }, /does not tell a version: The operation could not be completed/],
  ];
  for (const [situation, programs, message] of tooOld) {
    it(`too old or broken: ${situation}`, async () => {
      const lines = await missing(programs);
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', message);
    });
  }
});

describe('a temporal on the PATH', () => {
  const cases: readonly [string, boolean][] = [
    ['temporal version 1.8.2 (Server 1.31.2, UI 2.50.1)', true], ['temporal version 1.8.0 (Server 1.31.0, UI 2.49.0)', true], ['temporal version 1.10.0 (Server 1.33.0, UI 2.60.0)', true], ['temporal version 2.0.0', true],
    ['temporal version 1.7.9 (Server 1.30.0, UI 2.45.0)', false], ['temporal version 0.0.0-DEV (Server 1.31.2, UI 2.50.1)', false], ['something else', false],
  ];
  for (const [printed, enough] of cases) it(`${printed}: ${enough ? 'used' : 'not used'}`, () => assert.equal(isTemporalNewEnough(printed), enough));
  it('none there: not used', async () => assert.equal(await temporalOnPath(machine({})), null));
});
