/** `npm run bench -- <name> [options]`: runs `bench/<name>.ts`. */
const [name = '', ...args] = process.argv.slice(2);
if (!/^[a-z-]+$/.test(name)) throw new Error('Say which benchmark: npm run bench -- <name>');
const { run } = (await import(`./${name}.ts`)) as { readonly run: (args: readonly string[]) => Promise<void> };
await run(args);
