import { type KernelImage, leaf } from '@port-xen/kern';
import {
  linkNetinet,
  type Netinet,
  netinetInit,
  netinetLinked,
  netinetModules,
} from '@port-xen/netinet';
import type { TestBase } from '@tooling/guest-testbed';
import { xennet_data } from '../src/index.ts';
import { vifKernel } from './vif-kernel.ts';

const netinet = ({ cpu, kern }: TestBase, at: (module: string) => number): Netinet => {
  const names = Object.keys(netinetModules);
  const data = Object.fromEntries(
    names.flatMap((name) => (netinetModules[name]?.data ? [[name, at(name)]] : [])),
  );
  // A tick is 10 ms.
  return linkNetinet(cpu, data, kern, { uptime_ns: () => kern.callout.ticks * 10e6 });
};

/** A kernel whose interfaces carry the real stack. */
export const inetKernel = (): KernelImage =>
  vifKernel<Netinet>({
    modules: netinetModules,
    probe: {
      /** (address, netmask): of the first interface. */
      test_ifconfig: leaf(({ xennet, stack }, address, netmask) => {
        const { sc_ifp } = xennet_data.at(xennet.cpu.memory, xennet.data).softcs.at(0);
        stack.ifconfig.configure(stack.ifnets.at(sc_ifp), address, netmask, 0);
      }),
      test_mbufs: leaf(({ stack }) => stack.mbufs.inUse),
    },
    stack: netinet,
    driven: ({ inet }) => inet,
    linked: netinetLinked,
    init: (net) => netinetInit(net, [0x1234_5678, 0x9abc_def0]),
  });
