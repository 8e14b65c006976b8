// The four flows, played with the Go client that openapi-generator makes of the document.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"example.test/kola"
)

const phone = "231880000001"

// must ends the program where a call was refused.
func must[T any](answer *T, response *http.Response, err error) *T {
	if err != nil {
		if refused, ok := err.(*kola.GenericOpenAPIError); ok {
			panic(fmt.Sprintf("%v: %s", err, refused.Body()))
		}
		panic(err)
	}
	return answer
}

func reference() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func completed(ask func() (*kola.ExecutionAnswer, *http.Response, error)) *kola.ExecutionAnswer {
	for tries := 0; tries < 600; tries++ {
		execution := must(ask())
		if execution.Status == kola.ExecutionStatusCompleted {
			return execution
		}
		if execution.Status == kola.ExecutionStatusFailed {
			panic(fmt.Sprintf("%+v", execution))
		}
		time.Sleep(100 * time.Millisecond)
	}
	panic("an execution is not final after a minute")
}

func main() {
	var merchant struct {
		ClientId     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		Wallets      []struct {
			Id       int64
			Currency string
		}
	}
	if err := json.Unmarshal([]byte(os.Getenv("MERCHANT")), &merchant); err != nil {
		panic(err)
	}
	var wallet int64
	for _, one := range merchant.Wallets {
		if one.Currency == "USD" {
			wallet = one.Id
		}
	}
	configuration := kola.NewConfiguration()
	configuration.Servers = kola.ServerConfigurations{{URL: os.Getenv("KOLA_URL")}}
	api := kola.NewAPIClient(configuration)
	ctx := context.Background()

	secrets := *kola.NewClientCredentialObtainToken(merchant.ClientId, merchant.ClientSecret)
	token := must(api.JwtAPI.ObtainClientToken(ctx).ClientCredentialObtainToken(secrets).Execute())
	ctx = context.WithValue(ctx, kola.ContextAccessToken, token.AccessToken)

	party := must(api.PartiesAPI.CreateParty(ctx).CreateParty(*kola.NewCreateParty("Ama Kollie", phone)).Execute())
	newCustomer := kola.NewCreateCounterparty(kola.RelationshipCustomer)
	newCustomer.SetPartyId(party.Id)
	customer := must(api.CounterpartiesAPI.CreateCounterparty(ctx).CreateCounterparty(*newCustomer).Execute())
	account := func(operation kola.Operation) int64 {
		mobile := kola.NewCreatePaymentAccount("Mobile", "PAWAPAY", "MTN_MOMO_LBR", party.Id)
		mobile.SetInsensitiveAccountNumber(phone)
		return must(api.PaymentAccountsAPI.CreatePaymentAccount(ctx).OperationType(operation).CreatePaymentAccount(*mobile).Execute()).Id
	}
	payer, payee := account(kola.OperationCollection), account(kola.OperationPayout)
	usd, tomorrow := kola.USD, time.Now().Add(24*time.Hour)

	item := *kola.NewCheckoutItem("Coffee", usd, 12.5)
	newCheckout := *kola.NewCreateCheckout(kola.PageModeHosted, kola.SourceTypeOrder, phone, usd, []kola.CheckoutItem{item})
	checkout := must(api.CheckoutsAPI.CreateCheckout(ctx).CreateCheckout(newCheckout).Execute())
	newSession := *kola.NewCreateCheckoutSession(checkout.SourceId, kola.SourceTypeOrder)
	checkoutSession := must(api.SessionsAPI.CreateCheckoutSession(ctx).CreateCheckoutSession(newSession).Execute())
	key := reference()
	collection := *kola.NewExecuteCollection(checkoutSession.Id, payer, usd, key)
	must(api.ExecutionsAPI.ExecuteCollection(ctx).ExecuteCollection(collection).Execute())
	paid := completed(func() (*kola.ExecutionAnswer, *http.Response, error) { return api.StatusAPI.GetCollectionStatus(ctx, key).Execute() })

	newPayout := kola.NewCreatePayoutSession(5, usd)
	newPayout.SetWalletId(wallet)
	newPayout.SetPaymentAccountId(payee)
	newPayout.SetExpiresAt(tomorrow)
	payout := must(api.SessionsAPI.CreatePayoutSession(ctx).CreatePayoutSession(*newPayout).Execute())
	key = reference()
	must(api.ExecutionsAPI.ExecutePayout(ctx).ExecutePayout(*kola.NewExecutePayout(payout.Id, key)).Execute())
	completed(func() (*kola.ExecutionAnswer, *http.Response, error) { return api.StatusAPI.GetPayoutStatus(ctx, key).Execute() })

	newTransfer := *kola.NewCreateTransferSession(wallet, customer.Id, 2, usd, tomorrow)
	transfer := must(api.SessionsAPI.CreateTransferSession(ctx).CreateTransferSession(newTransfer).Execute())
	key = reference()
	must(api.ExecutionsAPI.ExecuteTransfer(ctx).ExecuteSession(*kola.NewExecuteSession(transfer.Id, key)).Execute())
	completed(func() (*kola.ExecutionAnswer, *http.Response, error) { return api.StatusAPI.GetTransferStatus(ctx, key).Execute() })

	newRefund := *kola.NewCreateRefundSession(paid.PaymentIntentId, 1.25, tomorrow)
	refund := must(api.SessionsAPI.CreateRefundSession(ctx).CreateRefundSession(newRefund).Execute())
	key = reference()
	must(api.ExecutionsAPI.ExecuteRefund(ctx).ExecuteSession(*kola.NewExecuteSession(refund.Id, key)).Execute())
	completed(func() (*kola.ExecutionAnswer, *http.Response, error) { return api.StatusAPI.GetRefundStatus(ctx, key).Execute() })
	fmt.Println("4 flows")
}
