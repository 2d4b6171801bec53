package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/leaderelection"

	"github.com/keelson-project/keelson/scheduler/cache"
	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/profile"
	"github.com/keelson-project/keelson/scheduler/queue"
)

// noNodes stands for a plugin that refused pods because there was no node at all.
const noNodes = "NoNodes"

// Scheduler finds nodes for pods. Make it with [New] and start it with [Scheduler.Run], once.
type Scheduler struct {
	cfg      Config
	profile  *profile.Profile
	queue    *queue.Queue
	cache    *cache.Cache
	cluster  *framework.Cluster
	recorder *recorder
	status   *statusWriter
	ready    chan struct{}
	first    sync.Once // closes ready
	log      *slog.Logger

	slots   chan struct{}
	binding sync.WaitGroup
}

// New builds a scheduler; it starts nothing. It fails when the configuration makes no sense.
func New(cfg Config) (*Scheduler, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	p, err := profile.New(profile.Config{
		Plugins:                  cfg.Plugins,
		Seed:                     cfg.Seed,
		Parallelism:              cfg.Parallelism,
		PercentageOfNodesToScore: cfg.PercentageOfNodesToScore,
	})
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	interests := p.Interests()
	interests[noNodes] = []framework.EventInterest{{Kind: framework.Node, Actions: framework.Added}}
	s := &Scheduler{
		cfg:     cfg,
		profile: p,
		queue: queue.New(queue.Config{
			Less:           p.Less,
			PreEnqueue:     p.PreEnqueue,
			Interests:      interests,
			InitialBackoff: cfg.InitialBackoff,
			MaxBackoff:     cfg.MaxBackoff,
		}),
		cache:    cache.New(),
		recorder: newRecorder(cfg.Client.EventsV1(), cfg.Name, cfg.Logger),
		status:   newStatusWriter(cfg.Client.CoreV1(), cfg.Logger),
		ready:    make(chan struct{}),
		log:      cfg.Logger,
		slots:    make(chan struct{}, cfg.BindParallelism),
	}
	s.cluster = &framework.Cluster{SchedulerName: cfg.Name, Client: cfg.Client, Recorder: s.recorder}
	return s, nil
}

// Ready is closed when the scheduler knows the cluster and, with leader election, leads.
func (s *Scheduler) Ready() <-chan struct{} { return s.ready }

// Run schedules pods until ctx ends, and returns nil when everything it started is gone. It returns an
// error if it stops for another reason, such as having lost the lead.
func (s *Scheduler) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var writers sync.WaitGroup
	defer writers.Wait()
	defer cancel()
	writers.Go(func() { s.recorder.run(ctx) })
	writers.Go(func() { s.status.run(ctx) })

	stop, err := s.watch(ctx)
	defer stop()
	defer cancel()
	if err != nil {
		return ended(ctx, err)
	}
	if s.cfg.LeaderElection == nil {
		s.loop(ctx)
		return nil
	}
	return leaderelection.Lead(ctx, s.cfg.Client.CoordinationV1(), *s.cfg.LeaderElection, s.cfg.Logger, func(ctx context.Context) error {
		s.loop(ctx)
		return nil
	})
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// loop decides for one pod after the other.
func (s *Scheduler) loop(ctx context.Context) {
	defer s.binding.Wait()
	s.first.Do(func() { close(s.ready) })
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		if p := s.queue.Pop(); p != nil {
			s.schedule(ctx, p)
			continue
		}
		var due <-chan time.Time
		if at, ok := s.queue.Next(); ok {
			timer.Reset(time.Until(at))
			due = timer.C
		}
		select {
		case <-ctx.Done():
		case <-s.queue.Wake():
		case <-s.cache.Wake():
			s.cache.Snapshot() // keep the log short while there is nothing to decide
		case <-due:
		}
	}
}

// schedule makes one attempt.
func (s *Scheduler) schedule(ctx context.Context, p *queue.Pod) {
	cs := &framework.CycleState{Pod: p.Info, Snapshot: s.cache.Snapshot(), Cluster: s.cluster}
	if at, placed := cs.Snapshot.PodNode(p.Info.Pod.UID); placed {
		s.log.Debug("pod has a node already", "pod", podName(p.Info.Pod), "node", at)
		s.queue.Placed(p)
		return
	}
	d, err := s.profile.Decide(ctx, cs)
	switch {
	case ctx.Err() != nil:
		s.queue.Retry(p)
	case errors.Is(err, profile.ErrNoNodes):
		p.Attempts = 0 // waiting for the first node is nobody's fault
		s.report(p, corev1.PodReasonUnschedulable, err.Error(), &framework.PostFilterResult{})
		s.queue.Refuse(p, map[string]struct{}{noNodes: {}})
	case err != nil:
		s.log.Error("scheduling a pod failed, will retry", "pod", podName(p.Info.Pod), "err", err)
		s.report(p, corev1.PodReasonSchedulerError, err.Error(), &framework.PostFilterResult{})
		s.queue.Retry(p)
	case d.Node == nil:
		s.refuse(ctx, cs, p, d.Diagnosis)
	default:
		s.place(ctx, cs, p, d.Node.Name())
	}
}

// refuse deals with a pod that fits nowhere.
func (s *Scheduler) refuse(ctx context.Context, cs *framework.CycleState, p *queue.Pod, d *framework.Diagnosis) {
	result := s.profile.PostFilter(ctx, cs, d)
	if result != nil {
		if result.NominatedNode != "" {
			s.preempt(ctx, cs, p, result)
		} else {
			cs.Snapshot.Unnominate(p.Info.Pod.UID)
		}
	}
	s.report(p, corev1.PodReasonUnschedulable, d.Message(), result)
	s.queue.Refuse(p, d.Plugins)
}

// report writes why a pod has no node into an event and the pod's condition.
func (s *Scheduler) report(p *queue.Pod, reason, message string, nomination *framework.PostFilterResult) {
	s.recorder.Record(p.Info.Pod, nil, corev1.EventTypeWarning, "FailedScheduling", "Scheduling", message)
	s.status.set(p.Info.Pod, reason, message, nomination)
}

func podName(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }
