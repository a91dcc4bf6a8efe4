/* SPDX-License-Identifier: MIT */
/* The verb `rdma PROGRAM ADDRESS [NAME=VALUE...]`: the verbs service as a client, see net/service/service.h. */
#include "managers/control/control.h"
#include "managers/control/rdma.h"
#include "net/fit/rpc.h"
#include "net/service/service.h"

static int do_rdma(unsigned argc, char **argv)
{
	char why[160] = "";
	int rc = service_run(argc - 1, argv + 1, why, sizeof(why));

	if (rc < 0)
		control_why("%s", why);
	if (rc < 0 || why[0] == '\0')
		return rc;
	control_send("ok rdma %s", why);	/* words, name=value */
	return CONTROL_ANSWERED;
}

void control_rdma_init(void)
{
	service_start(fit_is_member);
	control_register("rdma", do_rdma);
}
