package flowcontrol

import (
	"context"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/errgroup"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver"
	kinds "github.com/keelson-project/keelson/apiserver/kinds/flowcontrol"
	"github.com/keelson-project/keelson/store/memory"
)

// kept runs a server with a Keeper in a bubble, and a test when both have
// nothing more to do.
func kept(t *testing.T, test func(t *testing.T, client kubernetes.Interface)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		srv, err := apiserver.New(apiserver.Config{Store: st, Kinds: kinds.Kinds()})
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(srv.LoopbackConfig())
		if err != nil {
			t.Fatal(err)
		}
		keeper, err := New(Config{Registry: srv.Registry()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return srv.Run(ctx) })
		<-srv.Ready()
		g.Go(func() error { return keeper.Run(ctx) })
		<-keeper.Ready()
		synctest.Wait()
		test(t, client)
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

func dangling(s *flowcontrolv1.FlowSchema) string {
	for _, c := range s.Status.Conditions {
		if c.Type == flowcontrolv1.FlowSchemaConditionDangling {
			return string(c.Status) + " " + c.Reason + ": " + c.Message
		}
	}
	return ""
}

func TestEverythingIsThere(t *testing.T) {
	kept(t, func(t *testing.T, client kubernetes.Interface) {
		ctx, c := t.Context(), client.FlowcontrolV1()
		schemas, err := c.FlowSchemas().List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := len(bootstrap.MandatoryFlowSchemas) + len(bootstrap.SuggestedFlowSchemas); len(schemas.Items) != want {
			t.Errorf("%d flow schemas, want %d", len(schemas.Items), want)
		}
		for i := range schemas.Items {
			s := &schemas.Items[i]
			want := `False Found: This FlowSchema references the PriorityLevelConfiguration object named "` + s.Spec.PriorityLevelConfiguration.Name + `" and it exists`
			if got := dangling(s); got != want {
				t.Errorf("%s: %s", s.Name, got)
			}
			if s.ManagedFields[0].Manager != consumer || s.ManagedFields[1].Manager != producer {
				t.Errorf("%s is managed by %v", s.Name, s.ManagedFields)
			}
		}
		levels, err := c.PriorityLevelConfigurations().List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := len(bootstrap.MandatoryPriorityLevelConfigurations) + len(bootstrap.SuggestedPriorityLevelConfigurations); len(levels.Items) != want {
			t.Errorf("%d priority levels, want %d", len(levels.Items), want)
		}
	})
}

func TestSchemasFollowTheirLevels(t *testing.T) {
	kept(t, func(t *testing.T, client kubernetes.Interface) {
		ctx, c := t.Context(), client.FlowcontrolV1()
		schema := &flowcontrolv1.FlowSchema{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
		schema.Spec.PriorityLevelConfiguration.Name = "mine"
		if _, err := c.FlowSchemas().Create(ctx, schema, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect := func(want string) {
			t.Helper()
			synctest.Wait()
			s, err := c.FlowSchemas().Get(ctx, "mine", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := dangling(s); got != want {
				t.Error(got)
			}
		}
		expect(`True NotFound: This FlowSchema references the PriorityLevelConfiguration object named "mine" but there is no such object`)
		level := &flowcontrolv1.PriorityLevelConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
		level.Spec.Type = flowcontrolv1.PriorityLevelEnablementLimited
		level.Spec.Limited = &flowcontrolv1.LimitedPriorityLevelConfiguration{LimitResponse: flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeReject}}
		if _, err := c.PriorityLevelConfigurations().Create(ctx, level, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(`False Found: This FlowSchema references the PriorityLevelConfiguration object named "mine" and it exists`)
		if err := c.PriorityLevelConfigurations().Delete(ctx, "mine", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(`True NotFound: This FlowSchema references the PriorityLevelConfiguration object named "mine" but there is no such object`)
	})
}

func TestRepairs(t *testing.T) {
	kept(t, func(t *testing.T, client kubernetes.Interface) {
		ctx, c := t.Context(), client.FlowcontrolV1()
		schema := func(name string) *flowcontrolv1.FlowSchema {
			t.Helper()
			s, err := c.FlowSchemas().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		change := func(s *flowcontrolv1.FlowSchema) {
			t.Helper()
			if _, err := c.FlowSchemas().Update(ctx, s, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		// Deleted ones come back.
		for _, name := range []string{"catch-all", "probes"} {
			uid := schema(name).UID
			if err := c.FlowSchemas().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if s := schema(name); s.UID == uid || dangling(s) == "" {
				t.Errorf("%s is not new: %v", name, s)
			}
		}
		// A suggested one that follows loses a change, one that does not keeps it.
		s := schema("probes")
		s.Spec.MatchingPrecedence = 3
		change(s)
		if s = schema("probes"); s.Spec.MatchingPrecedence != 2 {
			t.Errorf("precedence %d", s.Spec.MatchingPrecedence)
		}
		s.Spec.MatchingPrecedence, s.Annotations[flowcontrolv1.AutoUpdateAnnotationKey] = 3, "false"
		change(s)
		if s = schema("probes"); s.Spec.MatchingPrecedence != 3 || s.Annotations[flowcontrolv1.AutoUpdateAnnotationKey] != "false" {
			t.Errorf("precedence %d, annotations %v", s.Spec.MatchingPrecedence, s.Annotations)
		}
		// A mandatory one follows whatever its annotation says.
		s = schema("exempt")
		s.Annotations = nil
		change(s)
		if s = schema("exempt"); s.Annotations[flowcontrolv1.AutoUpdateAnnotationKey] != "true" {
			t.Errorf("annotations %v", s.Annotations)
		}
		// The exempt level lends what it is told to.
		level, err := c.PriorityLevelConfigurations().Get(ctx, "exempt", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		*level.Spec.Exempt.LendablePercent = 7
		if _, err := c.PriorityLevelConfigurations().Update(ctx, level, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if level, err = c.PriorityLevelConfigurations().Get(ctx, "exempt", metav1.GetOptions{}); err != nil || *level.Spec.Exempt.LendablePercent != 7 {
			t.Errorf("%v, %v", level, err)
		}
		// What Kubernetes no longer suggests goes.
		old := &flowcontrolv1.FlowSchema{ObjectMeta: metav1.ObjectMeta{Name: "old", Annotations: map[string]string{flowcontrolv1.AutoUpdateAnnotationKey: "true"}}}
		old.Spec.PriorityLevelConfiguration.Name = "system"
		if _, err := c.FlowSchemas().Create(ctx, old, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := c.FlowSchemas().Get(ctx, "old", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
}
