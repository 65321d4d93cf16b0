import { type KernelImage, leaf, PAGE_SIZE } from '@port-xen/kern';
import { stack_clusters, stack_data, stackText, TestStack } from './test-stack.ts';
import { vifKernel } from './vif-kernel.ts';

/** A kernel with interfaces and nothing to do with them. */
export const netKernel = (): KernelImage =>
  vifKernel<TestStack>({
    modules: {
      stack: { data: stack_data, text: stackText },
      clusters: { data: stack_clusters, align: PAGE_SIZE },
    },
    probe: {
      test_nr_pages: leaf((m) => m.base.pmap.nrPages),
      test_grants: leaf((m) => m.xengnt.used),
      /** What an event of the back end's comes to. */
      test_event: leaf((m) => m.xennet.softintr()),
    },
    stack: ({ cpu }, at) => new TestStack(cpu, at('stack'), at('clusters')),
    driven: (stack) => stack,
    linked: (stack) => ({ stack }),
  });
