/**
 * `node test/controls/real-gpio.ts`, as root on a machine with the module gpio-sim: the contract of the pins on lines of the
 * running kernel, with the libgpiod that is installed.
 */
import { createGpiod } from '../../src/controls/gpiod.ts';
import { CASES, runCase } from './contract.ts';
import { openSim, whyNoSim } from './gpio-sim.ts';

const reason = whyNoSim();
if (reason !== null) {
  console.error(`not possible here: ${reason}`);
  process.exit(2);
}
const { bench, close } = openSim(createGpiod());
let failed = 0;
let skipped = 0;
try {
  for (const one of CASES) {
    const { name } = one;
    if (one.holds && bench.cannotHold !== undefined) {
      skipped += 1;
      console.log(`skipped ${name}: ${bench.cannotHold}`);
      continue;
    }
    const problem = await runCase(one, bench).then(
      () => null,
      (error: Error) => error,
    );
    if (problem !== null) failed += 1;
    console.log(problem === null ? `  ok   ${name}` : `FAILED ${name}: ${problem.message}`);
  }
} finally {
  close();
}
console.log(`${CASES.length - failed - skipped} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
