/** References to secrets, and texts that must not carry the values. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { redact, redactor, resolveSecret } from '../../../src/adapters/secrets/secrets.ts';
import { Failure } from '../../../src/domain/failures.ts';

const withEnv = async (name: string, value: string, work: () => Promise<void>): Promise<void> => {
  process.env[name] = value;
  try {
    await work();
  } finally {
    delete process.env[name];
  }
};

test('a secret in the environment is resolved, and from then on stripped from every text', async () => {
  await withEnv('CUTOVER_TEST_SECRET', 'hunter2 & "more"/+', async () => {
    assert.equal(redact('login hunter2 & "more"/+ refused'), 'login hunter2 & "more"/+ refused');
    assert.equal(await resolveSecret('env:CUTOVER_TEST_SECRET'), 'hunter2 & "more"/+');
    assert.equal(redact('login hunter2 & "more"/+ refused'), 'login [secret] refused');
  });
});

test('a secret in a file loses one trailing line break and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-secrets-'));
  try {
    for (const [written, wanted] of [['s3cret-a\n', 's3cret-a'], ['s3cret-b\r\n', 's3cret-b'], [' s3cret-c \n\n', ' s3cret-c \n'], ['s3cret-d', 's3cret-d']] as const) {
      await writeFile(join(folder, 'password'), written);
      assert.equal(await resolveSecret(`file:${folder}/password`), wanted);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a reference that cannot be resolved is named, its would-be value never is', async () => {
  const cases = [
    ['env:CUTOVER_TEST_ABSENT', /env:CUTOVER_TEST_ABSENT is not set/],
    ['file:/nowhere/at/all', /file:\/nowhere\/at\/all cannot be read \(ENOENT\)/],
    ['hunter2-inline', /\(text withheld\) is neither/],
    ['env:hunter2 inline', /\(text withheld\) is not set/],
  ] as const;
  for (const [ref, wanted] of cases) {
    await assert.rejects(resolveSecret(ref), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.type, 'BadCatalog');
      assert.match(error.message, wanted);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  }
});

test('an empty secret is refused', async () => {
  await withEnv('CUTOVER_TEST_EMPTY', '', () => assert.rejects(resolveSecret('env:CUTOVER_TEST_EMPTY'), /is empty/));
});

test('every spelling of a secret is stripped, however long the text around it', () => {
  const secret = 'p@ss/w+rd "x"';
  const strip = redactor([secret]);
  const spellings = [secret, JSON.stringify(secret), encodeURIComponent(secret), new URLSearchParams({ p: secret }).toString(), Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('base64url')];
  for (const spelling of spellings) assert.match(strip(`before ${spelling} after`), /^before .*\[secret\].* after$/, spelling);
  for (const user of ['a', 'ab', 'abc', 'abcd']) {
    const basic = Buffer.from(`${user}:${secret}`).toString('base64');
    const stripped = strip(`Authorization: Basic ${basic}`);
    assert.match(stripped, /\[secret\]/, `alignment of ${user}`);
    assert.doesNotMatch(Buffer.from(stripped.slice('Authorization: Basic '.length), 'base64').toString('latin1'), /ss\/w|w\+rd/);
  }
});

test('a longer secret that contains a shorter one goes as a whole', () => {
  assert.equal(redactor(['abc', 'abcdef'])('x abcdef y abc'), 'x [secret] y [secret]');
});

test('characters with a meaning in patterns are taken literally, and without secrets nothing changes', () => {
  assert.equal(redactor(['a.c$('])('abc$( a.c$('), 'abc$( [secret]');
  assert.equal(redactor([])('as it was'), 'as it was');
});
