/** Second sets at the hold before the switch: at work by the brokers' own facts, and fine by the operator's own check. */
import { grouped, list, nameOf } from '../outside.ts';
import { blueGreenOf, viewFine, viewSecond } from '../second.ts';
import { claim, shown, type EvidenceAsk, type Reach, type Shown } from './shown.ts';

export function secondShown({ ports, at }: Reach, x: EvidenceAsk, applications: readonly string[]): Promise<Shown> {
  const text = `The second sets of ${list(applications)} run on ${nameOf(x.m, 'target')}, hold every partition they read, and are at most ${grouped(x.c.limits.lagRecords)} records behind.`;
  return shown(text, async () => {
    const v = await viewSecond(ports, { ...x, applications }, at);
    return claim(text, v.faults.length === 0, ...v.faults, ...v.shown);
  });
}

/** Without a check nothing is claimed of it. */
export async function fineShown({ ports, at }: Reach, x: EvidenceAsk): Promise<Shown> {
  const { validate, traffic, live } = blueGreenOf(x.m);
  const text = `${validate === null ? '' : `Hook ${validate} says fine; `}hook ${traffic} says source${live === null ? '' : `; hook ${live} says muted`}.`;
  return shown(text, async () => {
    const [fine, to, mode] = await Promise.all([viewFine(ports, x.m, at), ports.hook(traffic).ask(at.until), live === null ? null : ports.hook(live).ask(at.until)]);
    return claim(text, fine.fine && to.state === 'source' && (mode === null || mode.state === 'muted'), fine.say, `${traffic} says ${to.state}`, ...(mode ? [`${live ?? ''} says ${mode.state}`] : []));
  });
}
