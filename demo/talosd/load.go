package talosd

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// wave is one slow swing of a load.
type wave struct {
	height float64
	period float64 // seconds
	phase  float64
}

// value is between -height and height.
func (w wave) value(t float64) float64 {
	if w.height == 0 {
		return 0
	}
	return w.height * math.Sin(2*math.Pi*t/w.period+w.phase)
}

// integral of value from 0 to t.
func (w wave) integral(t float64) float64 {
	if w.height == 0 {
		return 0
	}
	k := 2 * math.Pi / w.period
	return w.height / k * (math.Cos(w.phase) - math.Cos(k*t+w.phase))
}

// core is the load of one CPU core: a level with waves on it, so that both its
// value and its sum over time follow from the time alone.
type core struct {
	level float64
	waves [3]wave
}

func newCore(rng *rand.Rand, level float64) core {
	periods := [3]float64{23, 97, 421}
	c := core{level: level}
	for i, period := range periods {
		c.waves[i] = wave{
			height: level * (0.1 + 0.2*rng.Float64()),
			period: period * (0.8 + 0.4*rng.Float64()),
			phase:  2 * math.Pi * rng.Float64(),
		}
	}
	return c
}

// busy is the share of time, 0 to 1, that the core works at t seconds.
func (c core) busy(t float64) float64 {
	sum := c.level
	for _, w := range c.waves {
		sum += w.value(t)
	}
	return sum
}

// busySeconds is how long the core has worked in the first t seconds.
func (c core) busySeconds(t float64) float64 { return c.level*t + c.swing(t) }

// swing is what the waves have added by then.
func (c core) swing(t float64) float64 {
	var sum float64
	for _, w := range c.waves {
		sum += w.integral(t)
	}
	return sum
}

// loadModel is how a node is used: everything follows from its seed and the
// time since it booted.
type loadModel struct {
	cores  []core
	memory core    // share of the memory in use
	disk   float64 // share of the disk in use
	net    core    // in units of 100 kB/s
	grain  float64 // seconds; the step of the counters, 0 for none
}

func newLoadModel(rng *rand.Rand, spec scene.Node) loadModel {
	level := 0.06 + 0.12*rng.Float64()
	if spec.ControlPlane {
		level += 0.1
	}
	m := loadModel{
		memory: newCore(rng, 0.28+0.14*rng.Float64()),
		disk:   0.06 + 0.1*rng.Float64(),
		net:    newCore(rng, 0.5+rng.Float64()),
	}
	for i := range m.memory.waves {
		m.memory.waves[i].height /= 4
		m.memory.waves[i].period *= 3
	}
	for range max(spec.CPUs, 1) {
		m.cores = append(m.cores, newCore(rng, level*(0.85+0.3*rng.Float64())))
	}
	return m
}

// stillGrain is the step, in seconds, in which the counters of a scene that
// stands still advance, and stillStep the step of its cores' levels. A core does
// a whole number of hundredths of a second in each step then, so that the counters
// give the same share between any two moments.
const (
	stillGrain = 0.2
	stillStep  = 0.05
)

// still is the same load without its waves.
func (m loadModel) still() loadModel {
	m.grain = stillGrain
	m.memory.waves, m.net.waves = [3]wave{}, [3]wave{}
	steps := 0
	for i := range m.cores {
		n := max(int(math.Round(m.cores[i].level/stillStep)), 1)
		steps += n
		m.cores[i] = core{level: float64(n) * stillStep}
	}
	if len(m.cores)%2 == 0 && steps%2 == 0 {
		m.cores[0].level += stillStep // away from a half percent, which rounds either way
	}
	return m
}

// counted is the time that the counters have counted when t seconds have passed.
func (m loadModel) counted(t float64) float64 {
	if m.grain == 0 {
		return t
	}
	return math.Floor(t/m.grain) * m.grain
}

// busySeconds is the work of all cores in the first t seconds.
func (m loadModel) busySeconds(t float64) float64 {
	var sum float64
	for _, c := range m.cores {
		sum += c.busySeconds(t)
	}
	return sum
}

// average is the mean number of busy cores over the window before t.
func (m loadModel) average(t float64, window time.Duration) float64 {
	from := max(t-window.Seconds(), 0)
	if t <= from {
		return 0
	}
	var sum float64
	for _, c := range m.cores {
		sum += c.level + (c.swing(t)-c.swing(from))/(t-from)
	}
	return sum
}

// CPUBusy returns the share of the node's CPU that is in use now, 0 to 1: the
// same number that SystemStat's counters give. The other side of a simulation
// can report it, too, so that both agree.
func (n *Node) CPUBusy() float64 {
	t := n.uptime()
	var sum float64
	for _, c := range n.load.cores {
		sum += c.busy(t)
	}
	return sum / float64(len(n.load.cores))
}

// MemoryUsed returns the bytes of memory in use now, as Memory reports them.
func (n *Node) MemoryUsed() int64 {
	return int64(float64(n.spec.Memory) * n.load.memory.busy(n.uptime()))
}

// DiskUsed returns the bytes in use on the node's /var.
func (n *Node) DiskUsed() int64 {
	return int64(float64(n.spec.Disk) * n.load.disk)
}

// uptime is the time since the machine's boot, in seconds.
func (n *Node) uptime() float64 { return n.current().uptime() }

func (l *life) uptime() float64 { return max(l.n.c.now().Sub(l.boot).Seconds(), 0) }

// use is what a program takes of its machine.
type use struct {
	cpu    float64 // share of all the work done
	memory uint64  // MiB
}

// uses are the programs of Talos and of Kubernetes' control plane; others take a
// little, each always the same.
var uses = map[string]use{
	"machined": {0.05, 112}, "containerd": {0.06, 64}, "systemd-udevd": {0.001, 12}, "dashboard": {0.002, 18},
	"apid": {0.008, 34}, "trustd": {0.001, 22}, "kubelet": {0.11, 96}, "etcd": {0.14, 168},
	"kube-apiserver": {0.28, 620}, "kube-controller-manager": {0.05, 110}, "kube-scheduler": {0.03, 58},
}

func (n *Node) useOf(name string) use {
	if u, ok := uses[name]; ok {
		return u
	}
	rng := n.random("use/" + name)
	return use{cpu: 0.002 + 0.02*rng.Float64(), memory: 24 + rng.Uint64N(120)}
}
