# SPDX-License-Identifier: MIT
obj-y += net/roce/packet.o net/roce/tx.o net/roce/rx.o net/roce/req.o net/roce/resp.o net/roce/ud.o net/roce/qp.o
obj-y += net/roce/cq.o net/roce/srq.o net/roce/mr.o net/roce/cc.o net/roce/cm_mad.o net/roce/cm.o net/roce/dev.o net/roce/verbs.o
