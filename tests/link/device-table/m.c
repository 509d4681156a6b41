/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
struct pci_id {
	unsigned int vendor, device;
};

static const struct pci_id ids[] = { { 1, 2 }, { 0, 0 } };

extern typeof(ids) __mod_device_table__pci__ids __attribute__((unused, alias("ids")));

int probe(int x)
{
	return ids[x].vendor;
}

int init_module(void)
{
	return probe(0);
}

void cleanup_module(void)
{
}
