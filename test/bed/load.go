package bed

import (
	"context"
	"fmt"
	"time"
)

// perDeployment is how many pods each Deployment of the load has.
const perDeployment = 100

// createLoad creates pods in great number, as Deployments in the namespace load,
// kept off the first four nodes.
func (b *Bed) createLoad(ctx context.Context, pods int) error {
	if pods == 0 {
		return nil
	}
	err := b.create(ctx, "/api/v1/namespaces", object{
		"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": "load"},
	})
	for i := 0; err == nil && i*perDeployment < pods; i++ {
		n := min(perDeployment, pods-i*perDeployment)
		err = b.create(ctx, "/apis/apps/v1/namespaces/load/deployments", loadDeployment(i, n))
	}
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	b.log("creating %d pods", pods)
	limit := readyLimit + time.Duration(pods)*200*time.Millisecond
	return b.within(ctx, limit, func(ctx context.Context) error { return b.replicasReady(ctx, "deployments") })
}

func loadDeployment(i, replicas int) object {
	name := fmt.Sprintf("load-%03d", i)
	labels := object{"app": name}
	return object{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": object{"name": name, "namespace": "load", "labels": labels},
		"spec": object{
			"replicas": replicas,
			"selector": object{"matchLabels": labels},
			"template": object{
				"metadata": object{"labels": labels},
				"spec": object{
					"affinity": notOn("talos-test01", "talos-test02", "talos-test03", "talos-test04"),
					"containers": []object{{
						"name": "app", "image": "docker.io/library/busybox:1.37",
						"resources": object{"requests": object{"cpu": "10m", "memory": "16Mi"}},
					}},
				},
			},
		},
	}
}

func notOn(nodes ...string) object {
	return object{"nodeAffinity": object{"requiredDuringSchedulingIgnoredDuringExecution": object{
		"nodeSelectorTerms": []object{{"matchExpressions": []object{
			{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": nodes},
		}}},
	}}}
}
